"""Writing synthetic studies to disk: fields of cells, and their masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import OutputError, SettingsError
from actinscope.files import atomic_path, write_csv, write_text_atomic
from actinscope.phantoms.field import PhantomField, render_field
from actinscope.phantoms.optics import SlideConditions, draw_slide
from actinscope.phantoms.shapes import check_room
from actinscope.phantoms.traits import PHENOTYPES, PIXEL_SIZE_UM, check_difficulty

FIELDS_PER_SLIDE = 3
"""Fields of each phenotype on one synthetic slide; every slide carries all phenotypes."""

Progress = Callable[[int, int], None]

NOTE = "synthetic image drawn by actinscope, not a photograph of cells"
"""What every file says of itself."""

_README = """\
SYNTHETIC IMAGES - not photographs of cells

All images in this folder were drawn by a program (actinscope, room "phantoms").
The three phenotypes are drawn after what is known of actin in three breast
epithelial cell lines, but nothing here was measured:

  epithelial  cobblestones with an even cortical ring  (after MCF-10A)
  clustered   tight clumps with bright junctions       (after MCF-7)
  elongated   spindles with stress fibres and spikes   (after MDA-MB-231)

Use them to try the program and to test it. Results on them say nothing about
real cells.

difficulty {difficulty:g} (0 clearly different phenotypes, 1 no difference at all)
seed {seed}
pixel size {pixel_size:g} um (nominal)

fields.csv lists the fields of view (fields/), their labels, their label masks
(masks/: 0 background, n cell n), and the groups field and slide.

Each field was drawn by itself; three fields of each phenotype share a slide, whose
staining, background and camera offset they have in common.
"""


def write_phantom_study(
    folder: Path,
    *,
    fields_per_class: int = 12,
    cells_per_field: int = 6,
    difficulty: float = 0.5,
    seed: int,
    shape: tuple[int, int] = (512, 512),
    progress: Progress | None = None,
) -> Path:
    """Write synthetic fields and masks; return the path of the manifest ``fields.csv``.

    Written are ``fields/PHENOTYPE/field_NN.tif`` and ``masks/PHENOTYPE/field_NN.tif``
    (uint16, ImageJ TIFF with the pixel size), ``fields.csv`` (path, label, mask, field,
    slide) and ``README.txt``. The same arguments give the same bytes. The number of cells
    of a field is drawn around ``cells_per_field``, in the same way for all phenotypes.
    ``progress`` is called with (fields done, fields in all).

    Raises:
        SettingsError: cells that do not fit, a difficulty outside 0 to 1, no fields.
        OutputError: the folder holds such a study already, or cannot be written.
    """
    study = _Study(fields_per_class, cells_per_field, difficulty, seed, shape)
    study.check()
    folder = _fresh_folder(Path(folder))
    rows: list[tuple[str, ...]] = []
    for done, (name, slide, field) in enumerate(study.fields(), start=1):
        image_name = f"fields/{field.phenotype}/{name}.tif"
        mask_name = f"masks/{field.phenotype}/{name}.tif"
        write_tiff(folder / image_name, field.pixels, NOTE)
        write_tiff(folder / mask_name, field.mask, f"label mask of a {NOTE}")
        rows.append((image_name, field.phenotype, mask_name, f"{field.phenotype}_{name}", slide))
        if progress is not None:
            progress(done, study.total)
    study.write_readme(folder)
    return _write_table(folder / "fields.csv", ("path", "label", "mask", "field", "slide"), rows)


@dataclass(frozen=True)
class _Study:
    """Which fields a synthetic study has; each has its own random stream."""

    fields_per_class: int
    cells_per_field: int
    difficulty: float
    seed: int
    shape: tuple[int, int]

    @property
    def cell_counts(self) -> tuple[int, int]:
        """Fewest and most cells of a field, the same for all phenotypes."""
        spread = self.cells_per_field // 3
        return self.cells_per_field - spread, self.cells_per_field + spread

    @property
    def total(self) -> int:
        return len(PHENOTYPES) * self.fields_per_class

    def check(self) -> None:
        """Refuse settings that cannot be drawn before anything is written."""
        check_difficulty(self.difficulty)
        check_room(self.shape, self.cell_counts[1])
        if self.fields_per_class < 1:
            raise SettingsError(
                f"{self.fields_per_class} fields a class is too few",
                where="fields_per_class",
                remedy="Ask for at least 1",
            )
        if self.seed < 0:
            raise SettingsError(f"seed {self.seed} is negative", where="seed", remedy="Use 0 or up")

    def fields(self) -> Iterator[tuple[str, str, PhantomField]]:
        """Yield (field name within its phenotype, slide name, field)."""
        digits = max(2, len(str(self.fields_per_class)))
        fewest, most = self.cell_counts
        for kind, phenotype in enumerate(PHENOTYPES):
            for index in range(self.fields_per_class):
                number = index // FIELDS_PER_SLIDE
                rng = np.random.default_rng([self.seed, 1, kind, index])
                field = render_field(
                    phenotype,
                    shape=self.shape,
                    cells=int(rng.integers(fewest, most + 1)),
                    difficulty=self.difficulty,
                    rng=rng,
                    slide=self._slide(number),
                )
                yield f"field_{index + 1:0{digits}d}", f"slide_{number + 1:02d}", field

    def _slide(self, number: int) -> SlideConditions:
        # Not of the phenotype: every slide carries all three, so that staining tells nothing.
        rng = np.random.default_rng([self.seed, 0, number])
        return draw_slide(self.difficulty, rng=rng)

    def write_readme(self, folder: Path) -> None:
        text = _README.format(difficulty=self.difficulty, seed=self.seed, pixel_size=PIXEL_SIZE_UM)
        write_text_atomic(folder / "README.txt", text)


def _fresh_folder(folder: Path) -> Path:
    try:
        for part in ("fields", "masks"):
            if (folder / part).exists() and any((folder / part).iterdir()):
                raise OutputError(
                    "is there already and not empty",
                    where=folder / part,
                    remedy="Choose another folder, so that old and new images do not mix",
                )
            for phenotype in PHENOTYPES:
                (folder / part / phenotype).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot be made ({error.strerror})",
            where=folder,
            remedy="Choose a folder that can be written",
        ) from error
    return folder


def write_tiff(path: Path, pixels: NDArray[np.uint16], note: str) -> None:
    """Write an image (Y, X) that says what it is; the same pixels give the same bytes."""
    import tifffile

    with atomic_path(path) as temporary:
        # No date and no version, so that the same seed gives the same bytes.
        tifffile.imwrite(
            temporary,
            pixels,
            imagej=True,
            photometric="minisblack",
            software="actinscope",
            resolution=(1 / PIXEL_SIZE_UM, 1 / PIXEL_SIZE_UM),
            metadata={"axes": "YX", "unit": "um", "synthetic": note, "Info": note},
        )


def _write_table(path: Path, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Path:
    write_csv(path, header, rows)
    return path
