"""Contents that the report tests share, and what the content promises by itself."""

from __future__ import annotations

import dataclasses

import pytest

from actinscope.report import Page, ReportContent
from helpers.report_content import (
    make_content,
)


def test_content_cannot_be_changed_once_it_is_made() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="classes"):
        make_content().classes = ("another",)


def test_few_fields_are_needed() -> None:
    required = [
        field.name
        for holder in (ReportContent, Page)
        for field in dataclasses.fields(holder)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    assert required == ["page", "verdict", "headline", "classes", "evaluations", "title"]
