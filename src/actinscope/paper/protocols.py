"""The orders in which images are augmented and divided: the paper's, and two that keep apart.

Every protocol works on the same pool and is then asked about the same held-out groups, of
which no image and no copy was in the pool. What a protocol's own test part claims beyond that
is its optimism. Copies are harder to name than images as they are, so a protocol that tests on
copies is asked about copies of the held-out images: what differs is only whether others of the
same cell or group were in training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from actinscope.errors import SettingsError, SplitError
from actinscope.paper.copies import COPY, COPY_OF, originals_of
from actinscope.study import (
    TEST,
    TRAIN,
    Manifest,
    Record,
    Split,
    find_keep_together_sets,
    grouped_folds,
    split,
)

UNSEEN_FOLDS = 5
"""One part in so many, or in as many as there are groups, is held out in each repeat."""

_FEWEST_GROUPS = 4  # of a class: one held out, and one for each part of what is left


@dataclass(frozen=True)
class Protocol:
    """One order of augmenting and dividing.

    Attributes:
        name: on the command line and in folders.
        title: in tables and figures.
        sentence: what is done.
        augment_first: copies are made before the division, which then divides copies.
        by_group: images of one group stay in one part.
    """

    name: str
    title: str
    sentence: str
    augment_first: bool
    by_group: bool


PUBLISHED = Protocol(
    "published",
    "as published: augmented, then divided",
    "Every image is multiplied by augmentation, then all copies are divided at random: variants "
    "of one cell stand in training and in test.",
    augment_first=True,
    by_group=False,
)
BY_IMAGE = Protocol(
    "by-image",
    "divided by image, then augmented",
    "Images are divided at random, then those of the training part are multiplied: no cell is in "
    "two parts, but cells of one sample are.",
    augment_first=False,
    by_group=False,
)
HONEST = Protocol(
    "honest",
    "divided by group, then augmented",
    "Groups are divided, then the images of the training part are multiplied: neither a cell nor "
    "a sample is in two parts.",
    augment_first=False,
    by_group=True,
)
PROTOCOLS: Mapping[str, Protocol] = {one.name: one for one in (PUBLISHED, BY_IMAGE, HONEST)}

CHOICES: Mapping[str, tuple[Protocol, ...]] = {
    "published": (PUBLISHED,),
    "honest": (HONEST,),
    "both": (PUBLISHED, BY_IMAGE, HONEST),
}


@dataclass(frozen=True)
class Repeat:
    """One repeat: what is held out from every protocol, and what each of them divides how.

    Attributes:
        number: from 1.
        seed: of division and training.
        held_out: the held-out images with all their copies.
        parts: protocol name -> its division of the pool.
        folds: one part in so many is held out.
    """

    number: int
    seed: int
    held_out: tuple[Record, ...]
    parts: Mapping[str, Split]
    folds: int = UNSEEN_FOLDS

    def unseen(self, protocol: Protocol) -> tuple[Record, ...]:
        """The held-out images of the kind that the protocol's own test part is made of."""
        if protocol.augment_first:
            return self.held_out
        return tuple(record for record in self.held_out if record.groups[COPY] == "0")


def chosen_protocols(choice: str, *, grouped: bool) -> tuple[Protocol, ...]:
    """The protocols of a choice; without groups two of them are the same, and one is left out.

    Raises:
        SettingsError: there is no such choice.
    """
    if choice not in CHOICES:
        raise SettingsError(
            f"there is no protocol called {choice!r}", remedy=f"Use one of {', '.join(CHOICES)}"
        )
    return tuple(one for one in CHOICES[choice] if grouped or one != BY_IMAGE)


def plan_repeats(
    copies: Manifest,
    protocols: Sequence[Protocol],
    *,
    repeats: int,
    seed: int,
    fractions: tuple[float, float, float],
) -> tuple[Repeat, ...]:
    """Hold out groups and divide the rest, for every repeat, before anything is trained.

    Repeat r holds out fold r of five grouped folds, or of as many as there are groups where
    these are fewer (new folds after the last), so what it does depends on its number and the
    seed, not on how many repeats there are.

    Args:
        copies: all images with their copies, as :func:`write_copies` gives them.
        protocols: which to divide for.
        repeats: how many, at least 1.
        seed: of everything.
        fractions: of the pool for training, validation and test.

    Raises:
        SplitError: too few groups or images of a class.
    """
    originals = originals_of(copies)
    count = min(UNSEEN_FOLDS, max(2, len(find_keep_together_sets(originals).counts)))
    planned = []
    for index in range(repeats):
        own_seed = seed + index
        turn, fold = divmod(index, count)
        with _told("no groups can be held out", originals):
            folds = grouped_folds(originals, folds=count, seed=seed + turn)
        away = {r.groups[COPY_OF] for r in folds[fold].manifest.records if r.part == TEST}
        held_out = tuple(record for record in copies.records if record.groups[COPY_OF] in away)
        kept = tuple(record for record in copies.records if record.groups[COPY_OF] not in away)
        pool = replace(copies, records=kept)
        parts = {}
        for protocol in protocols:
            with _told(f"{protocol.title}, of what is left when groups are held out", pool):
                parts[protocol.name] = divide(pool, protocol, seed=own_seed, fractions=fractions)
        planned.append(Repeat(index + 1, own_seed, held_out, parts, count))
    return tuple(planned)


@contextmanager
def _told(what: str, study: Manifest) -> Iterator[None]:
    """Say of a division that fails what it was for, and what the experiment needs."""
    try:
        yield
    except SplitError as error:
        remedy = (
            f"The experiment needs each class in at least {_FEWEST_GROUPS} groups: one held out, "
            "and one each to train, validate and test. Image more of them, choose a finer group "
            "column, or go by image with --group none (nothing then tells of new samples)"
            if study.group is not None
            else f"The experiment needs at least {_FEWEST_GROUPS} different images of each class"
        )
        raise SplitError(f"{what}: {error.what}", where=error.where, remedy=remedy) from error


def divide(
    pool: Manifest, protocol: Protocol, *, seed: int, fractions: tuple[float, float, float]
) -> Split:
    """Divide the pool as a protocol does. The paper's division is marked as a leak.

    All protocols share out each class in the given fractions.

    Raises:
        SplitError: too few groups or images of a class.
    """
    if protocol.augment_first:
        return _divide_copies(pool, seed, fractions)
    originals = originals_of(pool)
    group = pool.group if protocol.by_group else None
    parts = split(replace(originals, group=group), seed=seed, fractions=fractions)
    part_of = {record.groups[COPY_OF]: record.part for record in parts.manifest.records}
    records = tuple(
        replace(record, part=part_of[record.groups[COPY_OF]])
        for record in pool.records
        if record.groups[COPY] == "0" or part_of[record.groups[COPY_OF]] == TRAIN
    )
    given = split(replace(pool, records=records, group=group), seed=seed)
    return replace(given, notes=(*parts.notes, protocol.sentence))


def _divide_copies(pool: Manifest, seed: int, fractions: tuple[float, float, float]) -> Split:
    """Copies one by one. Equal pixels are not kept together either: that is the point."""
    blind = tuple(replace(record, pixel_hash="", copy_set="") for record in pool.records)
    parts = split(replace(pool, records=blind, group=None), seed=seed, fractions=fractions)
    part_of = {record.key: record.part for record in parts.manifest.records}
    records = tuple(replace(record, part=part_of[record.key]) for record in pool.records)
    # Given parts are the one way to a division that tears groups apart, and it is told.
    told = replace(pool, records=records, group=pool.group or COPY_OF)
    given = split(told, seed=seed)
    return replace(given, notes=(*given.notes, PUBLISHED.sentence))
