"""Counting how often a file is decoded, whoever asks for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actinscope.images import read


@contextmanager
def counted_decodes() -> Iterator[Counter[Path]]:
    """How often each file was decoded, since it was entered."""
    counts: Counter[Path] = Counter()
    decode = read._read

    def counted(path: Path, *rest: Any, **named: Any) -> Any:
        counts[path] += 1
        return decode(path, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read, "_read", counted)
        yield counts
