"""``actinscope audit``: options, and what is printed."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from actinscope.cli.options import add_study, new_command, whole_number


def add_audit(commands: Any) -> None:
    """Add the command."""
    parser = new_command(
        commands,
        "audit",
        "find what is wrong with the images before training: copies, confounds, bad labels",
        "Reads every image once; writes report.html, findings.csv, duplicates.csv, "
        "review_queue.csv and audit.json. Findings do not change the exit code.",
        module="audit_command",
    )
    add_study(parser)
    parser.add_argument(
        "--recipe",
        default="default",
        metavar="NAME|FILE.toml",
        help="whose split and preprocessing is looked at (default: default)",
    )
    parser.add_argument(
        "--seed", type=whole_number, metavar="N", help="seed of the split and of the checks"
    )
    parser.add_argument(
        "--no-network",
        action="store_true",
        help="do not ask a pretrained network which labels look wrong",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder for the results"
    )


def audit(arguments: Namespace) -> int:
    """``actinscope audit``."""
    from actinscope.audit import verdict_sentence
    from actinscope.cli.progress_bar import TerminalProgress
    from actinscope.cli.requests import print_results, recipe_of, report_problems, source_of
    from actinscope.workflows.audit import AuditRequest, audit_study

    request = AuditRequest(
        source=source_of(arguments),
        recipe=recipe_of(arguments),
        output=arguments.output,
        network=not arguments.no_network,
        command=arguments.command_line,
    )
    with TerminalProgress(quiet=arguments.quiet) as progress:
        outcome = audit_study(request, progress)
    print(verdict_sentence(outcome.findings))
    for finding in outcome.findings:
        print(f"{finding.severity}: {finding.title}")
        if finding.severity != "info" and finding.remedy:
            print(f"    {finding.remedy}.")
    print_results(outcome.folder, "report.html", "findings.csv", "duplicates.csv", "audit.json")
    return report_problems(outcome.problems)
