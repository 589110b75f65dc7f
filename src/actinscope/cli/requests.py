"""From what was given on the command line to the request of a command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from actinscope.cli.parser import options_of, slots_of, value_name
from actinscope.errors import UsageError
from actinscope.options import OptionGroup
from actinscope.requests import StudySource

if TYPE_CHECKING:
    from actinscope.images import ReadOptions
    from actinscope.training import LevelSettings, Recipe

#: Name of an option without dashes -> its value; what was not given is not there.
Given = Mapping[str, Any]
_NO_GROUP = "none"
_READING = ("z", "time", "scene", "axes", "channel_pattern")


def request_of(kind: type, given: Given) -> Any:
    """A request of the class ``kind``; what was not given has the default of its field.

    Raises:
        UsageError: an option that does nothing, or options that contradict each other.
        SettingsError: no such recipe, or a bad value.
    """
    for option, slot in options_of(kind):
        idle = option.needs.strip("-").replace("-", "_") not in given
        if option.needs and idle and value_name(option, slot.name) in given:
            raise UsageError(
                f"{option.flags} does nothing without {option.needs}",
                remedy=f"Add {option.needs}, or leave it out",
            )
    return _filled(kind, given)


def _filled(kind: type, given: Given) -> Any:
    values: dict[str, Any] = {}
    for slot in slots_of(kind):
        option = slot.filled
        if isinstance(option, OptionGroup):
            names = [value_name(one) for one in option.options]
            part = {name: given[name] for name in names if name in given}
            if part or slot.required:
                values[slot.name] = _BUILDERS[option.build](part)
            continue
        if option is None:
            values[slot.name] = _filled(slot.kind, given)
        elif (name := value_name(option, slot.name)) in given:
            value = given[name]
            if slot.kind is bool:
                value = not slot.default
            values[slot.name] = tuple(value) if isinstance(value, list) else value
    if kind is StudySource:
        _require_consistent(given)
    return kind(**values)


def _require_consistent(given: Given) -> None:
    """Refuse options of a study that contradict each other, or do nothing.

    Raises:
        UsageError: they do.
    """
    ways = {"group_level": "--group-level", "group_pattern": "--group-pattern"}
    scanning = [flag for name, flag in ways.items() if name in given]
    named = {"label_level": "--label-level", "label_pattern": "--label-pattern"}
    naming = [flag for name, flag in named.items() if name in given]
    if len(naming) + ("manifest" in given) > 1:
        raise UsageError(
            f"{' and '.join(naming)} and --manifest contradict each other"
            if "manifest" in given
            else f"{' and '.join(naming)} contradict each other",
            remedy="Give only one of them, each says where the class stands",
        )
    if "manifest" not in given and "crop_size" in given:
        raise UsageError(
            "--crop-size needs a --manifest that says where the cells are",
            remedy="Give --manifest CSV with a column mask, objects, or y and x; images of one "
            "cell each are taken whole",
        )
    if given.get("group") == _NO_GROUP and scanning:
        raise UsageError(
            f"--group {_NO_GROUP} and {scanning[0]} contradict each other",
            remedy="Leave one of them out",
        )


def _recipe_of(given: Given) -> Recipe:
    """The recipe that was named, with what the command line changes in it."""
    from actinscope.training import change_recipe, load_recipe

    changes: dict[str, dict[str, Any]] = {
        "network": _renamed(given, network="name", weights="weights"),
        "training": _renamed(given, epochs="epochs"),
        "preprocess": _renamed(given, channels="channels", intensity="intensity"),
        "levels": _levels(given),
        "images": _renamed(given, **{name: name for name in _READING}),
    }
    _reading_of(changes["images"])  # says what is wrong in the words of the command line
    changes = {section: values for section, values in changes.items() if values}
    return change_recipe(load_recipe(given["recipe"]), changes, seed=given.get("seed"))


def _renamed(given: Given, **settings: str) -> dict[str, Any]:
    """Name of an option -> name of a setting, as far as it was given."""
    return {setting: given[name] for name, setting in settings.items() if name in given}


def _levels(given: Given) -> dict[str, Any]:
    found = _renamed(given, level="by", fewest_cells="fewest_cells", agreement="agreement")
    return found | ({"by": tuple(found["by"])} if "by" in found else {})


def _levels_of(given: Given) -> LevelSettings:
    from actinscope.training import LevelSettings

    return LevelSettings(**_levels(given))


def _reading_of(given: Given) -> ReadOptions:
    """The reading options; none of those that were not given is set."""
    from pydantic import ValidationError

    from actinscope.images import ReadOptions

    try:
        return ReadOptions.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        message = str(first["msg"]).removeprefix("Value error, ")
        raise UsageError(f"--{str(first['loc'][0]).replace('_', '-')}: {message}") from error


_BUILDERS: dict[str, Callable[[Given], Any]] = {
    "recipe": _recipe_of,
    "reading": _reading_of,
    "levels": _levels_of,
}
