"""Which images trained a bundle, as far as is known, and which of those at hand did not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from actinscope.bundle import Bundle, TrainingHashes, group_digest
from actinscope.errors import StudyError
from actinscope.names import RunFile
from actinscope.runs.folder import ListedImage, read_listed_images
from actinscope.study import TEST, Manifest, spelling_key


@dataclass(frozen=True, eq=False)
class TrainingProvenance:
    """What is known of the images that trained a bundle, or the members of an ensemble.

    Attributes:
        images: SHA-256 of the pixels of the training and validation images -> their part, ""
            where only the bundle says so.
        listed: these images in the run around the bundle; none where it lies in none.
        groups: by column, :func:`group_digest` of the values that the bundle itself carries.
        unknown: titles of the networks of which nothing is known.
        thumbnails: the file with small pictures of the images, where the run around it has one.
        changed: hashes among ``images`` of changed copies of those that trained the bundle.
    """

    images: Mapping[str, str]
    listed: tuple[ListedImage, ...]
    groups: Mapping[str, frozenset[str]]
    unknown: tuple[str, ...]
    thumbnails: Path | None = None
    changed: frozenset[str] = frozenset()

    @property
    def complete(self) -> bool:
        """Whether every image that trained the bundle would be recognised."""
        return not self.unknown

    @classmethod
    def of_run(cls, images: Iterable[ListedImage], title: str) -> TrainingProvenance:
        """As a run's manifest has it; ``title`` names the network."""
        trained = tuple(image for image in images if image.part != TEST)
        hashes = {image.pixel_hash: image.part for image in trained if image.pixel_hash}
        return cls(hashes, trained, {}, () if hashes else (title,))

    def units(
        self, columns: Sequence[str], names: Iterable[tuple[str, ...]]
    ) -> frozenset[tuple[str, ...]]:
        """Those of ``names``, values of ``columns``, of which other images trained the bundle.

        The images of a run say it exactly. A bundle that carries hashes has them by column: a
        name of several columns counts as known where each of its values is, which may take a
        new combination of known values for a known one, never the other way round.
        """
        met = {
            _key(columns, tuple(image.value(column) for column in columns)) for image in self.listed
        }
        return frozenset(
            name
            for name in names
            if all(name) and (_key(columns, name) in met or self._carried(columns, name))
        )

    def _carried(self, columns: Sequence[str], name: tuple[str, ...]) -> bool:
        return all(
            group_digest(column, value) in self.groups.get(column, ())
            for column, value in zip(columns, _key(columns, name), strict=True)
        )


def _key(columns: Sequence[str], name: Sequence[str]) -> tuple[str, ...]:
    """The same for all spellings of a name; a new table may write 1 for the donor 01."""
    return tuple(
        value if column == "path" else spelling_key(value, column)
        for column, value in zip(columns, name, strict=True)
    )


def training_provenance(bundle: Bundle) -> TrainingProvenance:
    """What the run around the bundle says, and what the bundle itself carries."""
    run = bundle.path.absolute().parent
    known = TrainingProvenance.of_run(_images_of(run), bundle.info.network.title)
    # Folds have those of their cross-validation.
    places = (folder / RunFile.THUMBNAILS for folder in (run, run.parent))
    known = replace(known, thumbnails=next(filter(Path.is_file, places), None))
    carried = bundle.training_hashes
    if carried is None:
        return known
    titles = [member.title for member in bundle.info.members]
    return replace(
        known,
        images=dict.fromkeys(carried.images, "") | dict(known.images),
        groups={column: frozenset(found) for column, found in carried.groups.items()},
        unknown=tuple(titles[number] for number in carried.unknown if number < len(titles)),
    )


def training_hashes(runs: Sequence[Path]) -> TrainingHashes:
    """Hashes of the images that trained the models in these run folders, for their ensemble.

    A folder that holds no run counts as one of unknown training.
    """
    known = [TrainingProvenance.of_run(_images_of(run), "") for run in runs]
    values = {
        (column, value)
        for one in known
        for image in one.listed
        for column, value in image.groups.items()
    }
    groups: dict[str, list[str]] = {column: [] for column, _ in sorted(values)}
    for column, value in values:
        if value:
            groups[column].append(group_digest(column, *_key((column,), (value,))))
    return TrainingHashes(
        images=tuple(sorted({pixels for one in known for pixels in one.images})),
        groups={column: tuple(sorted(digests)) for column, digests in groups.items()},
        unknown=tuple(number for number, one in enumerate(known) if not one.images),
    )


def _images_of(run: Path) -> tuple[ListedImage, ...]:
    if not all((run / name).is_file() for name in (RunFile.RECIPE, RunFile.MANIFEST)):
        return ()  # a manifest.csv alone may be of any study
    return read_listed_images(run / RunFile.MANIFEST)


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
            "the model was trained on all of these images, or on changed copies of them, so they "
            "cannot test it",
            where=manifest.root,
            remedy="Give images that it never saw; its own test metrics are in the metrics.json of "
            "its run",
        )
    changed = [one.title for one in manifest.records if one.pixel_hash in known.changed]
    copies = f", and on changed copies of {len(changed)} more ({changed[0]})" if changed else ""
    note = (
        f"the model was trained on {others - len(changed)} of the {len(manifest.records)} images"
        f"{copies}; they are left out, as they cannot test it"
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
        copies = " and changed copies of them" if known.thumbnails else ""
        return f"The images that it was trained on{copies} were left out."
    if not known.images:
        return (
            "Whether it was trained on some of them is not known here: that is for the author to "
            "say."
        )
    return (
        "The images that are known to have trained it were left out; what trained "
        f"{' and '.join(known.unknown)} is not known here: that is for the author to say."
    )
