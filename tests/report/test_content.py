"""Contents that the report tests share, and what the content promises by itself."""

from __future__ import annotations

import dataclasses

import pytest

from actinscope.report import ReportContent
from helpers.report_content import (
    make_content,
)


def test_content_cannot_be_changed_once_it_is_made() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="title"):
        make_content().title = "another"


def test_only_six_fields_are_needed() -> None:
    required = [
        field.name
        for field in dataclasses.fields(ReportContent)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    assert required == ["title", "question", "verdict", "headline", "classes", "evaluations"]
