"""Which of the images at hand trained a bundle, as far as can be known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from actinscope.bundle import Bundle, TrainingHashes, group_digest
from actinscope.errors import StudyError
from actinscope.study import RESERVED_COLUMNS, TRAIN, VALIDATION, Manifest, Row, read_table


@dataclass(frozen=True, eq=False)
class TrainingProvenance:
    """What is known of the images that trained a bundle, or the members of an ensemble.

    Attributes:
        images: SHA-256 of the pixels of the training and validation images.
        rows: the rows of these images in the run around the bundle; none where it lies in none.
        groups: by column, :func:`group_digest` of the values that the bundle itself carries.
        unknown: titles of the networks of which nothing is known.
    """

    images: frozenset[str]
    rows: tuple[Row, ...]
    groups: Mapping[str, frozenset[str]]
    unknown: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every image that trained the bundle would be recognised."""
        return not self.unknown

    def units(
        self, columns: Sequence[str], names: Iterable[tuple[str, ...]]
    ) -> frozenset[tuple[str, ...]]:
        """Those of ``names``, values of ``columns``, of which other images trained the bundle.

        The rows of a run tell it exactly. A bundle that carries hashes has them by column: a
        name of several columns counts as known where each of its values is, which may take a
        new combination of known values for a known one, never the other way round.
        """
        met = {tuple(row.get(column) for column in columns) for row in self.rows}
        return frozenset(
            name for name in names if all(name) and (name in met or self._carried(columns, name))
        )

    def _carried(self, columns: Sequence[str], name: tuple[str, ...]) -> bool:
        return all(
            group_digest(column, value) in self.groups.get(column, ())
            for column, value in zip(columns, name, strict=True)
        )


def training_provenance(bundle: Bundle) -> TrainingProvenance:
    """What the run around the bundle says, and what the bundle itself carries."""
    rows = _training_rows(bundle.path.absolute().parent)
    images = _images_of(rows)
    carried = bundle.seen
    if carried is None:
        return TrainingProvenance(images, rows, {}, () if images else (bundle.info.network.title,))
    titles = [member.title for member in bundle.info.members]
    unknown = tuple(titles[number] for number in carried.unknown if number < len(titles))
    groups = {column: frozenset(found) for column, found in carried.groups.items()}
    return TrainingProvenance(images | frozenset(carried.images), rows, groups, unknown)


def seen_by_run(run: Path) -> TrainingHashes:
    """The training and validation images of the run in a folder; empty where there is none."""
    rows = _training_rows(run)
    columns = {column for row in rows for column in row.cells} - set(RESERVED_COLUMNS)
    groups = {}
    for column in sorted(columns):
        values = {row.get(column) for row in rows} - {""}
        groups[column] = tuple(sorted(group_digest(column, value) for value in values))
    return TrainingHashes(images=tuple(sorted(_images_of(rows))), groups=groups)


def _training_rows(run: Path) -> tuple[Row, ...]:
    if not all((run / name).is_file() for name in ("recipe.toml", "manifest.csv")):
        return ()  # a manifest.csv alone may be of any study
    table = read_table(run / "manifest.csv")
    return tuple(row for row in table.rows if row.get("part") in {TRAIN, VALIDATION})


def _images_of(rows: Sequence[Row]) -> frozenset[str]:
    return frozenset({row.get("sha256") for row in rows} - {""})


def seen_by_any(runs: Sequence[TrainingHashes]) -> TrainingHashes:
    """The images and groups of several runs together; empty ones are of unknown training."""
    columns = sorted({column for one in runs for column in one.groups})
    return TrainingHashes(
        images=tuple(sorted({image for one in runs for image in one.images})),
        groups={
            column: tuple(sorted({value for one in runs for value in one.groups.get(column, ())}))
            for column in columns
        },
        unknown=tuple(number for number, one in enumerate(runs) if not one.images),
    )


def without_training_images(
    manifest: Manifest, known: TrainingProvenance
) -> tuple[Manifest, tuple[str, ...]]:
    """The images that did not train the bundle, as far as is known, and a note on the others.

    Raises:
        StudyError: all of them did.
    """
    unseen = tuple(record for record in manifest.records if record.pixel_hash not in known.images)
    others = len(manifest.records) - len(unseen)
    if not others:
        return manifest, ()
    if not unseen:
        raise StudyError(
            "the model was trained on all of these images, so they test nothing",
            where=manifest.root,
            remedy="Give images that it never saw; how it does on its own is in the metrics.json "
            "of its run",
        )
    note = (
        f"the model was trained on {others} of the {len(manifest.records)} images; they are left "
        "out here, as they test nothing"
    )
    return replace(manifest, records=unseen), (note,)


def familiar_groups(manifest: Manifest, known: TrainingProvenance) -> tuple[str, ...]:
    """A note where images come from groups of which others trained the bundle."""
    group = manifest.group
    if group is None:
        return ()
    groups = [manifest.group_of(record) for record in manifest.records]
    met = known.units((group,), {(value,) for value in groups})
    familiar = sum((value,) in met for value in groups)
    if not familiar:
        return ()
    return (
        f"{familiar} of the {len(manifest.records)} images come from a {group} of which "
        "other images trained the model: the result is an upper bound for a new one",
    )


def seen_before(known: TrainingProvenance) -> str:
    """For a report: whether images that trained the bundle were left out."""
    if known.complete:
        return "The images that it was trained on were left out."
    if not known.images:
        return (
            "Whether it was trained on some of them cannot be seen from here: that is for the "
            "author to say."
        )
    return (
        "The images that are known to have trained it were left out; what trained "
        f"{' and '.join(known.unknown)} cannot be seen from here: that is for the author to say."
    )
