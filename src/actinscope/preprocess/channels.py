"""Which channels of a file become which planes of the network's input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from actinscope.errors import ImageError, SettingsError

if TYPE_CHECKING:
    from actinscope.images import Image

MOST_PLANES = 3


def list_channels(names: tuple[str, ...]) -> str:
    """Channels numbered for people: ``1 'DAPI', 2 'actin'``."""
    return ", ".join(f"{number} {name!r}" for number, name in enumerate(names, start=1))


def choose_planes(
    names: tuple[str, ...], choice: Literal["auto"] | tuple[int | str, ...], *, adapt: bool
) -> tuple[int, ...]:
    """Positions (from 0) of the chosen channels, in the order in which they were chosen.

    ``choice`` is ``"auto"`` for all channels ``names`` of a file, or some of them by name or number
    (from 1); with ``adapt`` the network is given as many planes as there are channels.

    Raises:
        SettingsError: an unknown or repeated channel, or more than three without ``adapt``.
    """
    chosen = range(1, len(names) + 1) if choice == "auto" else choice
    planes = tuple(_position(names, one) for one in chosen)
    if len(set(planes)) < len(planes):
        raise SettingsError(
            "a channel is chosen twice",
            where="channels",
            remedy=f"Name each channel once; the images have {list_channels(names)}",
        )
    if len(planes) > MOST_PLANES and not adapt:
        raise SettingsError(
            f"the network takes three channels but {len(planes)} are to be used: "
            f"{list_channels(names)}",
            where="channels",
            remedy="Choose up to three of them, or set adapt_first_convolution",
        )
    return planes


def _position(names: tuple[str, ...], wanted: int | str) -> int:
    if isinstance(wanted, str):
        folded, name = [name.casefold() for name in names], wanted.strip().casefold()
        hits = folded.count(name)
        if hits == 1:
            return folded.index(name)
        if hits > 1:
            raise SettingsError(
                f"{hits} channels are called {wanted!r}",
                where="channels",
                remedy=f"Choose by number; the images have {list_channels(names)}",
            )
    # A number typed at the command line arrives as text.
    number = int(wanted) if not isinstance(wanted, str) or wanted.strip().isdecimal() else 0
    if 1 <= number <= len(names):
        return number - 1
    raise SettingsError(
        f"there is no channel {wanted!r}",
        where="channels",
        remedy=f"The images have {list_channels(names)}",
    )


def planes_of(
    image: Image, names: tuple[str, ...], planes: tuple[int, ...], *, channel_names: tuple[str, ...]
) -> tuple[int, ...]:
    """Positions in ``image`` of the planes that were chosen at fitting.

    Where the image names its channels as the training images did, the names decide, so
    that a file with the channels in another order is read correctly; otherwise the
    positions do.

    At fitting, ``channel_names`` were all channels, and ``names`` and ``planes`` the names and
    the positions of the chosen ones.

    Raises:
        ImageError: another number of channels, or some of the names in other places and
            some missing.
    """
    count = image.pixels.shape[0]
    if count != len(channel_names):
        raise ImageError(
            f"has {count} channel{'s' if count != 1 else ''} "
            f"({', '.join(image.channel_names)}) where {len(channel_names)} "
            f"({', '.join(channel_names)}) were expected",
            where=image.path,
            remedy="Use images with the same channels as the training images",
        )
    here = [name.casefold() for name in image.channel_names]
    wanted = [name.casefold() for name in names]
    if all(here.count(name) == 1 for name in wanted):
        return tuple(here.index(name) for name in wanted)
    moved = [
        name
        for name, place in zip(wanted, planes, strict=True)
        if here.count(name) == 1 and here.index(name) != place
    ]
    if moved:
        raise ImageError(
            f"has the channels {list_channels(image.channel_names)} where "
            f"{list_channels(channel_names)} were expected",
            where=image.path,
            remedy="Use images with the same channels in the same order",
        )
    return planes
