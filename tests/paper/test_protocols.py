"""Copies and divisions: what leaks on purpose does, and what must not leak does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from actinscope.cells import CropReader
from actinscope.errors import SettingsError, SplitError, StudyError
from actinscope.images import Image, ReadOptions, read_image
from actinscope.paper.copies import (
    COPY,
    COPY_OF,
    READ_COPIES,
    list_copies,
    originals_of,
    vary,
    write_copies,
)
from actinscope.paper.protocols import (
    BY_IMAGE,
    HONEST,
    PROTOCOLS,
    PUBLISHED,
    Protocol,
    chosen_protocols,
    divide,
    plan_repeats,
)
from actinscope.preprocess import AugmentSettings
from actinscope.progress import Silent
from actinscope.study import Fingerprints, Manifest, Record, fingerprint

SHARES = (0.8, 0.1, 0.1)
COPIES = 3


def write_study(folder: Path, *, fields: int = 6, cells: int = 4) -> Fingerprints:
    """Two classes of noise, ``cells`` images a field."""
    rng = np.random.default_rng(0)
    records = []
    for label in ("a", "b"):
        for field in range(fields):
            for cell in range(cells):
                path = folder / f"{label}{field}_{cell}.tif"
                tifffile.imwrite(path, rng.integers(0, 4000, (12, 10), dtype=np.uint16))
                groups = {"field": f"{label}{field}"}
                records.append(Record(path, path.name, label, groups))
    manifest = Manifest(tuple(records), folder, group="field", group_columns=("field",))
    return fingerprint(manifest, reader=CropReader(ReadOptions()))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Fingerprints:
    return write_study(tmp_path_factory.mktemp("study"))


def make(study: Fingerprints, folder: Path, *, seed: int = 0, copies: int = COPIES) -> Manifest:
    return write_copies(
        study,
        AugmentSettings(),
        copies=copies,
        seed=seed,
        reader=CropReader(ReadOptions()),
        folder=folder,
        progress=Silent(),
    )


@pytest.fixture(scope="module")
def copies(study: Fingerprints, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return make(study, tmp_path_factory.mktemp("copies"))


def test_every_image_has_its_copies(study: Fingerprints, copies: Manifest) -> None:
    assert len(copies.records) == COPIES * len(study.manifest.records)
    originals = originals_of(copies)
    hashes = {record.name: record.pixel_hash for record in study.manifest.records}
    assert {r.groups[COPY_OF]: r.pixel_hash for r in originals.records} == hashes
    assert len({record.pixel_hash for record in copies.records}) == len(copies.records)
    of_one = [r for r in copies.records if r.groups[COPY_OF] == "a0_0.tif"]
    assert [(r.groups[COPY], r.label, r.groups["field"]) for r in of_one] == [
        ("0", "a", "a0"),
        ("1", "a", "a0"),
        ("2", "a", "a0"),
    ]


def test_copies_depend_on_the_seed_alone(
    study: Fingerprints, copies: Manifest, tmp_path: Path
) -> None:
    turned = replace(study, manifest=replace(study.manifest, records=study.manifest.records[::-1]))
    again = make(turned, tmp_path / "again")
    assert [r.pixel_hash for r in again.records] == [r.pixel_hash for r in copies.records]
    other = make(study, tmp_path / "other", seed=1)
    same = [
        a.pixel_hash == b.pixel_hash for a, b in zip(other.records, copies.records, strict=True)
    ]
    assert sum(same) == len(study.manifest.records)  # the unchanged ones


def test_copies_that_are_there_are_kept(study: Fingerprints, tmp_path: Path) -> None:
    make(study, tmp_path)
    kept, gone = tmp_path / "000000_01.tif", tmp_path / "000000_02.tif"
    before, lost = kept.stat().st_mtime_ns, tifffile.imread(gone).tolist()
    gone.unlink()
    make(study, tmp_path)
    assert kept.stat().st_mtime_ns == before
    assert tifffile.imread(gone).tolist() == lost


@pytest.mark.parametrize(
    ("pixels", "colour"),
    [
        (np.arange(2 * 9 * 8, dtype=np.uint16).reshape(2, 9, 8) * 20, False),
        (np.arange(3 * 9 * 8, dtype=np.uint8).reshape(3, 9, 8), True),
        (np.linspace(-2, 5, 72, dtype=np.float32).reshape(1, 9, 8), False),
    ],
)
def test_a_copy_is_read_as_its_image(pixels: np.ndarray, colour: bool, tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    if colour:
        tifffile.imwrite(path, np.moveaxis(pixels, 0, -1), photometric="rgb")
    else:
        names = [f"dye <{n}>" for n in range(len(pixels))]
        metadata = {"axes": "CYX", "Channel": {"Name": names}}
        tifffile.imwrite(path, pixels, ome=True, photometric="minisblack", metadata=metadata)
    record = Record(path, "image.tif", "a")
    other = Record(path, "other.tif", "b")
    found = Fingerprints(Manifest((record, other), tmp_path), (), ())
    first = make(found, tmp_path / "copies", copies=2).records[0]
    given, read = read_image(path, ReadOptions()), read_image(first.path, READ_COPIES)
    assert np.array_equal(given.pixels, read.pixels)
    assert given.pixels.dtype == read.pixels.dtype
    assert (given.channel_names, given.is_colour) == (read.channel_names, read.is_colour)
    assert given.value_range == read.value_range


images = hnp.arrays(
    st.sampled_from([np.uint8, np.uint16, np.int16, np.float32]),
    st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    elements=st.integers(0, 100),
)


@settings(max_examples=40)
@given(images, st.integers(0, 2**32))
def test_a_variant_keeps_type_shape_and_range(pixels: np.ndarray, seed: int) -> None:
    image = Image(Path("x"), pixels, ("a",) * len(pixels), None, False, (0, 255))
    varied = vary(image, AugmentSettings(), np.random.default_rng(seed))
    assert (varied.dtype, varied.shape) == (pixels.dtype, pixels.shape)
    assert varied.min() >= min(0, pixels.min())
    assert varied.max() <= pixels.max()


def test_a_variant_without_settings_is_the_image() -> None:
    pixels = np.arange(24, dtype=np.uint16).reshape(1, 4, 6) * 2000
    image = Image(Path("x"), pixels, ("a",), None, False, (0, 65535))
    assert np.array_equal(vary(image, AugmentSettings.off(), np.random.default_rng(0)), pixels)


def test_intensities_are_not_varied(study: Fingerprints, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="gamma cannot be given to copies"):
        write_copies(
            study,
            AugmentSettings(gamma=0.2),
            copies=2,
            seed=0,
            reader=CropReader(ReadOptions()),
            folder=tmp_path,
            progress=Silent(),
        )


def test_a_column_of_the_same_name_is_refused(study: Fingerprints, tmp_path: Path) -> None:
    taken = replace(study, manifest=replace(study.manifest, group_columns=("field", "copy_of")))
    with pytest.raises(StudyError, match="has a column 'copy_of'"):
        make(taken, tmp_path)


def parts_of(records: tuple[Record, ...], column: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for record in records:
        found.setdefault(record.groups[column], set()).add(record.part)
    return found


def count(records: tuple[Record, ...], part: str) -> int:
    return sum(record.part == part for record in records)


def test_the_published_protocol_leaks_and_says_so(copies: Manifest) -> None:
    parts = divide(copies, PUBLISHED, seed=0, fractions=SHARES)
    assert parts.leak
    assert any(note.startswith("LEAK:") for note in parts.notes)
    by_image = parts_of(parts.manifest.records, COPY_OF)
    assert sum(len(found) > 1 for found in by_image.values()) > 10
    assert len(parts.manifest.records) == len(copies.records)


def test_without_groups_the_copies_leak_all_the_same(copies: Manifest) -> None:
    parts = divide(replace(copies, group=None), PUBLISHED, seed=0, fractions=SHARES)
    assert parts.leak
    assert parts.manifest.group == COPY_OF


@pytest.mark.parametrize(("protocol", "column"), [(BY_IMAGE, COPY_OF), (HONEST, "field")])
def test_dividing_first_keeps_apart(copies: Manifest, protocol: Protocol, column: str) -> None:
    parts = divide(copies, protocol, seed=0, fractions=SHARES)
    assert not parts.leak
    records = parts.manifest.records
    assert {len(found) for found in parts_of(records, column).values()} == {1}
    # Only the training part is multiplied.
    for part, times in (("train", COPIES), ("validation", 1), ("test", 1)):
        of = [r.groups[COPY_OF] for r in records if r.part == part]
        assert len(of) == times * len(set(of)), part
    assert {r.groups[COPY] for r in records if r.part == "test"} == {"0"}


def test_dividing_by_image_tears_fields_apart(copies: Manifest) -> None:
    parts = divide(copies, BY_IMAGE, seed=0, fractions=SHARES)
    assert parts.by_image
    assert max(len(found) for found in parts_of(parts.manifest.records, "field").values()) > 1


def test_nothing_of_the_unseen_groups_is_in_any_pool(copies: Manifest) -> None:
    repeats = plan_repeats(copies, tuple(PROTOCOLS.values()), repeats=6, seed=3, fractions=SHARES)
    held: list[str] = []
    for repeat in repeats:
        fields = {record.groups["field"] for record in repeat.held_out}
        plain = repeat.unseen(HONEST)
        assert {record.groups[COPY] for record in plain} == {"0"}
        # Copies are compared with copies, images with images.
        assert repeat.unseen(PUBLISHED) == repeat.held_out
        assert len(repeat.held_out) == COPIES * len(plain)
        for parts in repeat.parts.values():
            assert not fields & {record.groups["field"] for record in parts.manifest.records}
        if repeat.number <= 5:
            held += [record.groups[COPY_OF] for record in plain]
    # Five repeats hold out every image once.
    assert sorted(held) == sorted(r.groups[COPY_OF] for r in originals_of(copies).records)


def test_a_repeat_does_not_depend_on_how_many_there_are(copies: Manifest) -> None:
    few, many = (
        plan_repeats(copies, (HONEST,), repeats=n, seed=0, fractions=SHARES) for n in (1, 3)
    )
    assert few[0].held_out == many[0].held_out
    assert few[0].parts["honest"].manifest == many[0].parts["honest"].manifest
    assert many[0].held_out != many[1].held_out


def test_training_parts_of_the_protocols_are_alike_in_size(copies: Manifest) -> None:
    (repeat,) = plan_repeats(copies, tuple(PROTOCOLS.values()), repeats=1, seed=0, fractions=SHARES)
    sizes = [count(parts.manifest.records, "train") for parts in repeat.parts.values()]
    assert sizes[0] == sizes[1]
    assert max(sizes) < 1.4 * min(sizes)  # groups are coarse


def test_too_few_groups_stop_before_training(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    few = make(write_study(tmp_path / "s", fields=3), tmp_path / "c", copies=1)
    with pytest.raises(SplitError, match=r"every class needs at least 3 .*in at least 4 groups"):
        plan_repeats(few, (HONEST,), repeats=1, seed=0, fractions=SHARES)


@pytest.mark.parametrize("donors", ["A", "AB", "ABC", "ABCD"])
def test_fewer_than_five_groups_are_held_out_one_by_one(donors: str, tmp_path: Path) -> None:
    """Each donor has both classes; one that is held out leaves three, for the three parts."""
    records = tuple(
        Record(tmp_path / f"{donor}{label}{n}.tif", f"{donor}{label}{n}.tif", label,
               {"donor": donor}, pixel_hash=f"{donor}{label}{n}")
        for donor in donors for label in "xy" for n in range(5)
    )  # fmt: skip
    few = Manifest(records, tmp_path, group="donor", group_columns=("donor",))
    copies = list_copies(few, copies=2, folder=tmp_path)
    protocols = tuple(PROTOCOLS.values())
    if len(donors) < 4:
        with pytest.raises(SplitError, match="needs each class in at least 4 groups"):
            plan_repeats(copies, protocols, repeats=1, seed=0, fractions=SHARES)
        return
    repeats = plan_repeats(copies, protocols, repeats=5, seed=0, fractions=SHARES)
    held = [{record.groups["donor"] for record in repeat.held_out} for repeat in repeats]
    assert [len(found) for found in held] == [1] * 5
    assert set.union(*held[:4]) == set("ABCD")
    assert {repeat.folds for repeat in repeats} == {4}
    for repeat in repeats:
        parts = parts_of(repeat.parts["honest"].manifest.records, "donor")
        assert sorted(found for (found,) in parts.values()) == ["test", "train", "validation"]


def test_choices() -> None:
    assert chosen_protocols("both", grouped=True) == (PUBLISHED, BY_IMAGE, HONEST)
    assert chosen_protocols("both", grouped=False) == (PUBLISHED, HONEST)
    with pytest.raises(SettingsError, match="no protocol called 'fair'"):
        chosen_protocols("fair", grouped=True)


def test_near_copies_under_two_group_names_are_never_held_out_and_trained_on_at_once(
    study: Fingerprints, tmp_path: Path
) -> None:
    """An image of the first field of each class is marked as a copy of one of the second."""
    name = {f"{label}{field}_0.tif": label for label in "ab" for field in (0, 1)}
    records = tuple(replace(r, copy_set=name.get(r.name, "")) for r in study.manifest.records)
    marked = replace(study.manifest, records=records)
    copies = list_copies(marked, copies=COPIES, folder=tmp_path)
    repeats = plan_repeats(copies, tuple(PROTOCOLS.values()), repeats=5, seed=0, fractions=SHARES)
    plain = list_copies(study.manifest, copies=COPIES, folder=tmp_path)
    untold = plan_repeats(plain, (HONEST,), repeats=5, seed=0, fractions=SHARES)
    assert any(torn(repeat.held_out, name) for repeat in untold)
    for repeat in repeats:
        assert not torn(repeat.held_out, name)
        for protocol in (BY_IMAGE, HONEST):
            records = repeat.parts[protocol.name].manifest.records
            for part in ("train", "validation", "test"):
                assert not torn(tuple(r for r in records if r.part == part), name)
    # The published order divides copies one by one, near ones too.
    published = (repeat.parts["published"].manifest.records for repeat in repeats)
    assert any(torn(tuple(r for r in found if r.part == "test"), name) for found in published)


def torn(records: tuple[Record, ...], name: dict[str, str]) -> bool:
    """Whether ``records`` hold a set of copies only in part."""
    held = {r.groups[COPY_OF] for r in records} & set(name)
    sets = {name[one] for one in held}
    return held != {one for one in name if name[one] in sets}
