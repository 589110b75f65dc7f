"""OME-TIFF: sets of several files, and text that does not fit its pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from actinscope.errors import AmbiguousAxes, ImageUnreadable
from actinscope.images import ReadOptions, image_shape, ome, read_image

HEAD = '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
RNG = np.random.default_rng(5)
PLANES = RNG.integers(0, 4096, (4, 9, 7), dtype=np.uint16)


def picture(planes: str, *, z: int = 1, c: int = 1, channels: str = "", size: str = "") -> str:
    return (
        f'<Image ID="Image:0"><Pixels DimensionOrder="XYZCT" Type="uint16" SizeX="7" SizeY="9" '
        f'SizeZ="{z}" SizeC="{c}" SizeT="1" {size}>{channels}{planes}</Pixels></Image>'
    )


def plane(name: str, uuid: str, *, ifd: int = 0, **first: int) -> str:
    at = " ".join(f'First{axis}="{index}"' for axis, index in first.items())
    return (
        f'<TiffData IFD="{ifd}" PlaneCount="1" {at}>'
        f'<UUID FileName="{name}">{uuid}</UUID></TiffData>'
    )


def write(path: Path, planes: np.ndarray, text: str | None, **options: object) -> Path:
    with tifffile.TiffWriter(path, ome=False) as writer:
        for number, one in enumerate(planes):
            writer.write(
                one,
                description=text if number == 0 else None,
                metadata=None,
                contiguous=False,
                **options,
            )
    return path


def ome_xml(*pictures: str, uuid: str = "") -> str:
    mark = f' UUID="{uuid}"' if uuid else ""
    return f"{HEAD}{mark}>{''.join(pictures)}</OME>"


POSITIONS = tuple(picture(plane(f"p{n}.ome.tif", f"urn:{n}")) for n in range(3))


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_each_position_of_a_set_has_its_own_pixels_from_whatever_file_it_is_asked(
    tmp_path, compression
):
    for n in range(3):
        text = ome_xml(*POSITIONS, uuid=f"urn:{n}")
        write(tmp_path / f"p{n}.ome.tif", PLANES[n : n + 1], text, compression=compression)
    for n in range(3):
        # Without a choice: the position that lies in this very file.
        np.testing.assert_array_equal(read_image(tmp_path / f"p{n}.ome.tif").pixels[0], PLANES[n])
        for asked in range(3):
            image = read_image(tmp_path / f"p{asked}.ome.tif", ReadOptions(scene=n))
            np.testing.assert_array_equal(image.pixels[0], PLANES[n])


def test_a_master_file_that_only_names_others_gives_their_pixels(tmp_path):
    master = write(tmp_path / "set.ome.tif", PLANES[3:], ome_xml(*POSITIONS, uuid="urn:m"))
    for n in range(3):
        write(tmp_path / f"p{n}.ome.tif", PLANES[n : n + 1], None)
    with pytest.raises(AmbiguousAxes, match="3 scenes"):
        read_image(master)
    for n in range(3):
        image = read_image(master, ReadOptions(scene=n))
        np.testing.assert_array_equal(image.pixels[0], PLANES[n])


def test_planes_of_one_picture_are_gathered_from_files_in_any_order(tmp_path):
    planes = (
        plane("b.ome.tif", "urn:b", Z=0)
        + plane("a.ome.tif", "urn:a", ifd=1, Z=1)
        + plane("a.ome.tif", "urn:a", ifd=0, Z=2)
        + plane("b.ome.tif", "urn:b", ifd=1, Z=3)
    )
    text = ome_xml(picture(planes, z=4), uuid="urn:a")
    path = write(tmp_path / "a.ome.tif", PLANES[[2, 1]], text)
    write(tmp_path / "b.ome.tif", PLANES[[0, 3]], None)
    for z in range(4):
        image = read_image(path, ReadOptions(z=z))
        np.testing.assert_array_equal(image.pixels[0], PLANES[z])
    assert image_shape(path) == (9, 7)


def two_files(folder: Path, name: str = "b.ome.tif") -> Path:
    """A picture of two planes, one in a file and one in ``name``."""
    planes = plane("a.ome.tif", "urn:a", Z=0) + plane(name, "urn:b", Z=1)
    return write(folder / "a.ome.tif", PLANES[:1], ome_xml(picture(planes, z=2), uuid="urn:a"))


def test_a_file_of_the_set_that_is_gone_is_named(tmp_path):
    with pytest.raises(ImageUnreadable, match=r"b\.ome\.tif, which is not there.*[Kk]eep all"):
        read_image(two_files(tmp_path))


def test_a_file_that_was_put_in_the_place_of_another_is_refused(tmp_path):
    path = two_files(tmp_path)
    other = ome_xml(picture(plane("b.ome.tif", "urn:other")), uuid="urn:other")
    write(tmp_path / "b.ome.tif", PLANES[1:2], other)
    with pytest.raises(ImageUnreadable, match="not the file of that name which was saved with it"):
        read_image(path)


@pytest.mark.parametrize("name", ["../secret.tif", "/etc/secret.tif", "..\\secret.tif", ".."])
def test_files_in_other_folders_are_never_opened(tmp_path, name):
    (tmp_path / "set").mkdir()
    write(tmp_path / "secret.tif", PLANES[1:2], None)
    with pytest.raises(ImageUnreadable, match="in another folder"):
        read_image(two_files(tmp_path / "set", name))


@pytest.mark.parametrize(
    "other", [PLANES[1].astype(np.int16), PLANES[1, :5], PLANES[1].astype(np.uint8)]
)
def test_planes_of_another_size_or_type_are_refused(tmp_path, other):
    path = two_files(tmp_path)
    write(tmp_path / "b.ome.tif", other[None], None)
    with pytest.raises(ImageUnreadable, match="differ in size or type"):
        read_image(path)


def test_a_renamed_file_is_known_by_its_identifier(tmp_path):
    path = write(
        tmp_path / "new.ome.tif",
        PLANES[:1],
        ome_xml(picture(plane("old.ome.tif", "urn:a")), uuid="urn:a"),
    )
    np.testing.assert_array_equal(read_image(path).pixels[0], PLANES[0])


def test_an_identifier_without_a_name_is_not_taken_for_this_file(tmp_path):
    path = write(tmp_path / "a.ome.tif", PLANES[:1], ome_xml(picture(plane("", "urn:b"))))
    with pytest.raises(ImageUnreadable, match="a file that is not named"):
        read_image(path)


SOUND = picture("<TiffData/>", size='PhysicalSizeX="0.2" PhysicalSizeY="0.3"')
BROKEN = {
    "a tag that is not closed": ome_xml(SOUND).replace("</Image>", ""),
    "cut short": ome_xml(SOUND)[:-40],
    "no dimension order": ome_xml(SOUND.replace("DimensionOrder", "Order")),
    "an unknown order": ome_xml(SOUND.replace("XYZCT", "XYZZT")),
    "a size that is no number": ome_xml(SOUND.replace('SizeZ="1"', 'SizeZ="one"')),
    "no size": ome_xml(SOUND.replace('SizeC="1"', "")),
    "a size of another picture": ome_xml(SOUND.replace('SizeX="7"', 'SizeX="70"')),
    "more planes than there are": ome_xml(
        SOUND.replace("<TiffData/>", '<TiffData IFD="0" PlaneCount="9"/>')
    ),
    "planes without end": ome_xml(SOUND.replace('SizeT="1"', 'SizeT="1000000000000"')),
    "a plane beyond the picture": ome_xml(
        SOUND.replace("<TiffData/>", '<TiffData FirstZ="3" IFD="0"/>')
    ),
    "channels of different colour samples": ome_xml(
        SOUND.replace("<TiffData/>", '<Channel SamplesPerPixel="3"/><Channel/><TiffData/>')
    ),
    "entities that multiply": '<!DOCTYPE OME [<!ENTITY a "'
    + "a" * 100
    + '">'
    + "".join(
        f'<!ENTITY {"abcdefgh"[n + 1]} "{("&" + "abcdefgh"[n] + ";") * 50}">' for n in range(7)
    )
    + "]><OME>&h;</OME>",
    "no picture": ome_xml(),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_ome_text_costs_the_metadata_and_not_the_pixels(tmp_path, what):
    image = read_image(write(tmp_path / "a.ome.tif", PLANES[:1], BROKEN[what]))
    np.testing.assert_array_equal(image.pixels[0], PLANES[0])
    assert image.pixel_size_um is None
    (note,) = image.notes
    assert note.startswith("OME metadata not used (")
    assert note.endswith("names of channels and pixel size may be missing")


def test_broken_ome_text_over_a_stack_leaves_its_meaning_to_the_person(tmp_path):
    path = write(tmp_path / "a.ome.tif", PLANES, BROKEN["cut short"])
    with pytest.raises(AmbiguousAxes, match="axis of length 4 has unknown meaning"):
        read_image(path)
    image = read_image(path, ReadOptions(axes="CYX"))
    np.testing.assert_array_equal(image.pixels, PLANES)


def test_text_that_lies_in_another_file_is_named(tmp_path):
    text = f'{HEAD}><BinaryOnly MetadataFile="set.companion.ome" UUID="urn:m"/></OME>'
    image = read_image(write(tmp_path / "a.ome.tif", PLANES[:1], text))
    np.testing.assert_array_equal(image.pixels[0], PLANES[0])
    assert "it is in set.companion.ome" in image.notes[0]


def test_axes_that_hold_two_things_in_one_are_not_projected(tmp_path):
    angles = (
        '<StructuredAnnotations><XMLAnnotation ID="A:0" Namespace="openmicroscopy.org/omero/'
        'dimension/modulo"><Value><Modulo><ModuloAlongZ Type="angle" Start="0" End="3"/></Modulo>'
        "</Value></XMLAnnotation></StructuredAnnotations>"
    )
    path = write(tmp_path / "a.ome.tif", PLANES, ome_xml(picture("<TiffData/>", z=4), angles))
    with pytest.raises(AmbiguousAxes, match="unknown meaning"):
        read_image(path)


def test_colour_samples_are_colour_in_ome_too(tmp_path):
    path = tmp_path / "a.ome.tif"
    stored = RNG.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    tifffile.imwrite(path, stored, ome=True, photometric="rgb", metadata={"axes": "YXS"})
    image = read_image(path)
    assert image.is_colour
    np.testing.assert_array_equal(image.pixels, stored.transpose(2, 0, 1))


def test_the_metadata_of_a_position_is_its_own(tmp_path):
    texts = [
        picture(
            plane(f"p{n}.ome.tif", f"urn:{n}"),
            channels=f'<Channel Name="stain {n}"/>',
            size=f'PhysicalSizeX="0.{n + 1}" PhysicalSizeY="0.{n + 1}" SignificantBits="{n + 12}"',
        )
        for n in range(2)
    ]
    for n in range(2):
        text = ome_xml(*texts, uuid=f"urn:{n}")
        write(tmp_path / f"p{n}.ome.tif", PLANES[n : n + 1], text)
    for n in range(2):
        image = read_image(tmp_path / f"p{n}.ome.tif")
        assert image.channel_names == (f"stain {n}",)
        assert image.pixel_size_um == pytest.approx((0.1 + n / 10, 0.1 + n / 10))
        assert image.value_range == (0, 2 ** (n + 12) - 1)


def test_a_file_that_is_named_for_each_plane_is_opened_once_to_count_its_pages(
    tmp_path, monkeypatch
):
    opened = []

    def counted(path: Path) -> None:
        opened.append(path.name)

    monkeypatch.setattr(ome, "check_directories", counted)
    segment = '<TiffData FirstZ="{}"><UUID FileName="b.ome.tif">urn:b</UUID></TiffData>'
    planes = "".join(segment.format(z) for z in range(50))
    write(tmp_path / "b.ome.tif", PLANES[:1], None)
    path = write(tmp_path / "a.ome.tif", PLANES[:1], ome_xml(picture(planes, z=50)))
    assert image_shape(path, ReadOptions(z="max"))[-2:] == (9, 7)
    assert opened.count("b.ome.tif") == 2  # and once to read the first plane
