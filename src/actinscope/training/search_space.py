"""What a search may vary: ranges and choices of recipe settings, from one TOML file.

Two dimensions are no settings of their own: ``freeze_points`` (how many layers stay frozen)
and ``augmentation_strength`` (a factor on all ranges of the augmentation). All others are
named as the recipe names them, ``section.key``, and judged by the recipe's own model.
"""

from __future__ import annotations

import itertools
import math
import reprlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from actinscope.errors import SettingsError
from actinscope.preprocess import AugmentSettings
from actinscope.training.recipe import Recipe, change_recipe, read_toml

FREEZE = "freeze_points"
STRENGTH = "augmentation_strength"
AUTO = "auto"
_MOST_CHOICES = 50
_LARGEST = 1e300
_SEE = "See what `actinscope recipe space` prints"
#: Settings that a search must not touch, and why.
_FIXED = {
    "images": "it decides what the images are",
    "preprocess.channels": "it decides what the network is given",
    "preprocess.adapt_first_convolution": "it decides what the network is given",
    "split": "it decides which images are tested",
    "network.name": "networks are compared by trainings of their own",
    "network.weights": "networks are compared by trainings of their own",
    "network.frozen_layers": f"it is searched as {FREEZE}",
    "levels": "it does not change how a network is trained",
    "probabilities": "it does not change how a network is trained",
    "trees": "boosted trees are not searched",
    "training.head_model": "boosted trees are not searched",
    "training.precision": "it says how to compute, not what",
    "training.storage_gb": "it says how to compute, not what",
}
Value = str | int | float | bool | tuple[Any, ...]


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; ``step`` None for any between them."""

    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False

    @property
    def ends(self) -> tuple[Value, ...]:
        """What must be possible for all to be possible."""
        return (self.low, self.high)

    def holds(self, value: Any) -> bool:
        """Whether ``value`` can be drawn."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return self.low <= value <= self.high and abs(steps - round(steps)) < 1e-9


@dataclass(frozen=True)
class Choices:
    """One of a few values."""

    values: tuple[Value, ...]

    @property
    def ends(self) -> tuple[Value, ...]:
        """All of them."""
        return self.values

    def holds(self, value: Any) -> bool:
        """Whether ``value`` can be drawn."""
        return any(
            value == own and isinstance(value, bool) == isinstance(own, bool) for own in self.values
        )


Dimension = Range | Choices


@dataclass(frozen=True)
class SearchSpace:
    """Name of what is searched -> where; ``freeze_points`` are still "auto" before they are set."""

    dimensions: Mapping[str, Dimension]  # in the order of the file
    auto_freeze: bool = False  # the freeze points are to be taken from the network

    def with_freeze_points(self, points: Sequence[int]) -> SearchSpace:
        """The same with these freeze points; a single one is no dimension."""
        dimensions = {name: one for name, one in self.dimensions.items() if name != FREEZE}
        if len(points) > 1:
            dimensions = {FREEZE: Choices(tuple(points)), **dimensions}
        return replace(self, dimensions=dimensions, auto_freeze=False)

    def base_values(self, recipe: Recipe) -> dict[str, Any]:
        """What ``recipe`` itself has, also where the space does not hold it."""
        return {name: _value_in(recipe, name) for name in self.dimensions}

    def values_of(self, recipe: Recipe) -> dict[str, Value]:
        """The same without the dimensions that do not hold it."""
        own = self.base_values(recipe)
        return {name: own[name] for name, one in self.dimensions.items() if one.holds(own[name])}

    def most(self, name: str, recipe: Recipe) -> float:
        """The largest value that a numeric setting can take, in the space or in ``recipe``."""
        ends = self.dimensions[name].ends if name in self.dimensions else ()
        values = (_value_in(recipe, name), *ends)
        return max(float(value) for value in values if isinstance(value, int | float))

    def described(self) -> dict[str, Any]:
        """The space as JSON-able values, to compare with that of a search to resume."""
        return {
            name: list(one.values)
            if isinstance(one, Choices)
            else {"low": one.low, "high": one.high, "log": one.log, "step": one.step}
            for name, one in self.dimensions.items()
        }


def recipe_with(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """``recipe`` with the settings of a trial.

    Raises:
        SettingsError: a value is not possible, or two of them contradict each other.
    """
    changes: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if name != STRENGTH:
            section, key = _setting(name)
            changes.setdefault(section, {})[key] = value
    changed = change_recipe(recipe, changes)
    if (strength := float(values.get(STRENGTH, 1.0))) == 1:
        return changed
    scaled = scaled_augmentation(changed.augmentation, strength)
    return change_recipe(changed, {"augmentation": scaled})


def scaled_augmentation(settings: AugmentSettings, strength: float) -> dict[str, Any]:
    """All ranges of ``settings`` times ``strength``; 0 switches the flips off as well.

    What has a natural end (half a turn, half of the image) stops there.
    """
    if strength == 0:
        return AugmentSettings.off().model_dump() | {"fill": settings.fill}
    scaled: dict[str, Any] = settings.model_dump()
    limits = {
        "rotation_degrees": 180.0,
        "width_shift": 0.5,
        "height_shift": 0.5,
        "shear_degrees": 45.0,
        "intensity_gain": 0.9,
        "gamma": 0.9,
        "noise": 1.0,
        "blur": 50.0,
    }
    for name, limit in limits.items():
        scaled[name] = min(scaled[name] * strength, max(limit, scaled[name]))
    low, high = (1 + (end - 1) * strength for end in settings.zoom_range)
    scaled["zoom"] = (max(low, 0.1), high)
    return scaled


def default_space_text() -> str:
    """The TOML of the default space, to edit."""
    spaces = resources.files("actinscope.training").joinpath("spaces/default.toml")
    return spaces.read_text("utf-8")


def load_space(
    path: Path | None, recipe: Recipe, *, check: Callable[[Recipe], object] = lambda _: None
) -> SearchSpace:
    """The space in a TOML file (None: the default), checked against ``recipe``.

    ``check`` raises SettingsError for a recipe that cannot be trained; it is given the recipe of
    every end of the space.

    Raises:
        SettingsError: no valid TOML, an unknown setting, an empty or impossible range, or
            values that contradict each other or the rest of the recipe.
    """
    where = "the default space" if path is None else str(path)
    found = tomllib.loads(default_space_text()) if path is None else read_toml(path)
    table = found.pop("search", None)
    if found or not isinstance(table, dict):
        raise SettingsError("must hold the table [search] alone", where=where, remedy=_SEE)
    space = _space_of(table, where)
    _require_possible(space, recipe, where, check)
    return _normalised(space, recipe, where)


def _space_of(table: Mapping[str, Any], where: str) -> SearchSpace:
    dimensions: dict[str, Dimension] = {}
    auto = table.get(FREEZE) == AUTO
    for section, written in table.items():
        if section in (FREEZE, STRENGTH):
            if not (auto and section == FREEZE):
                dimensions[section] = _special(section, written, where)
        elif section not in Recipe.model_fields or not isinstance(written, dict):
            raise SettingsError(
                f"unknown in [search]: {section!r}",
                where=where,
                remedy=f"Name {FREEZE}, {STRENGTH} or a setting such as training.learning_rate",
            )
        else:
            for key, inner in written.items():
                name = f"{section}.{key}"
                _require_free(name, where)
                read = _range if isinstance(inner, dict) else _choices
                dimensions[name] = read(name, inner, where)
    if not dimensions and not auto:
        raise SettingsError("names nothing to search", where=where, remedy=_SEE)
    return SearchSpace(dimensions, auto)


def _require_free(name: str, where: str) -> None:
    section, key = _setting(name)
    model = Recipe.model_fields[section].annotation
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise SettingsError(f"{section} cannot be searched", where=where, remedy=_SEE)
    if key not in model.model_fields:
        raise SettingsError(
            f"unknown setting {name!r}",
            where=where,
            remedy=f"Known here: {', '.join(model.model_fields)}",
        )
    if why := _FIXED.get(section) or _FIXED.get(name):
        raise SettingsError(f"{name} cannot be searched: {why}", where=where, remedy="Leave it out")


def _special(name: str, written: Any, where: str) -> Choices:
    kinds: tuple[type, ...] = (int,) if name == FREEZE else (int, float)
    choices = _choices(name, written, where)
    for value in choices.values:
        possible = value >= 1 if name == FREEZE else 0 <= value <= 10  # type: ignore[operator]
        if type(value) not in kinds or not possible:
            raise SettingsError(
                f"{name}: {value!r} is not possible",
                where=where,
                remedy='Give "auto" or whole numbers from 1 on'
                if name == FREEZE
                else "Give factors from 0 to 10, such as [0.0, 0.5, 1.0]",
            )
    return choices if name == FREEZE else Choices(tuple(float(str(v)) for v in choices.values))


def _choices(name: str, written: Any, where: str) -> Choices:
    if not isinstance(written, list):
        raise SettingsError(
            f"{name} is {written!r}",
            where=where,
            remedy="Give a list of choices, or a range such as { low = 0.001, high = 0.1 }",
        )
    values = tuple(tuple(value) if isinstance(value, list) else value for value in written)
    for value in values:
        flat = value if isinstance(value, tuple) else (value,)
        numbers = [one for one in flat if not isinstance(one, str)]
        if not all(isinstance(one, int | float) and abs(one) <= _LARGEST for one in numbers):
            shown = reprlib.repr(value)  # there may be thousands of digits
            raise SettingsError(f"{name}: {shown} is no possible choice", where=where)
    _require_different(name, values, where)
    if not 1 <= len(values) <= _MOST_CHOICES:
        raise SettingsError(
            f"{name} has {len(values)} choices",
            where=where,
            remedy=f"Give 1 to {_MOST_CHOICES}, or a range",
        )
    return Choices(values)


def _require_different(name: str, values: Sequence[Value], where: str) -> None:
    if len({repr(value) for value in values}) < len(values):
        raise SettingsError(f"{name} names a choice twice", where=where, remedy="Leave one out")


class _WrittenRange(BaseModel):
    """A range as a file writes it; any number is decimal here."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @model_validator(mode="after")
    def _possible(self) -> _WrittenRange:
        low, high, step = self.low, self.high, self.step
        if low >= high:
            raise ValueError(f"low ({low:g}) is not below high ({high:g})")
        if self.log and low <= 0:
            raise ValueError(f"a logarithmic range cannot begin at {low:g}")
        if self.log and step is not None:
            raise ValueError("log and step exclude each other")
        if step is not None and not 0 < step <= high - low:
            raise ValueError(f"a step of {step:g} does not fit between {low:g} and {high:g}")
        return self


def _range(name: str, written: Mapping[str, Any], where: str) -> Range:
    kinds = _kinds_of(name)
    if not kinds & {int, float}:
        raise SettingsError(
            f"{name} is no number, so it has no range", where=where, remedy="Give a list of choices"
        )
    remedy = "Write it as { low = 0.001, high = 0.1, log = true }, or with step = 0.001 for log"
    try:
        found = _WrittenRange.model_validate(written)
    except ValidationError as error:
        first = error.errors()[0]
        key = "".join(f"{part}: " for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{name}: {key}{message}", where=where, remedy=remedy) from error
    low, high, step = found.low, found.high, found.step
    if step is not None:  # end on a step, so that the last value can be drawn
        high = low + step * math.floor((high - low) / step + 1e-9)
    if float in kinds:
        return Range(low, high, found.log, step)
    if any(number != int(number) for number in (low, found.high, step or 0)):
        raise SettingsError(f"{name}: takes whole numbers only", where=where, remedy=remedy)
    return Range(int(low), int(high), found.log, None if step is None else int(step), whole=True)


def _kinds_of(name: str) -> set[Any]:
    """The types that the recipe takes for a setting."""
    section, key = _setting(name)
    model = Recipe.model_fields[section].annotation
    assert isinstance(model, type) and issubclass(model, BaseModel)
    annotation = model.model_fields[key].annotation
    return set(get_args(annotation)) or {annotation}


def _normalised(space: SearchSpace, recipe: Recipe, where: str) -> SearchSpace:
    """The space with every choice as the recipe's model has it, such as 1.0 for 1."""
    dimensions = dict(space.dimensions)
    for name, dimension in dimensions.items():
        if isinstance(dimension, Choices) and name not in (FREEZE, STRENGTH):
            values = tuple(
                _value_in(recipe_with(recipe, {name: value}), name) for value in dimension.values
            )
            _require_different(name, values, where)
            dimensions[name] = Choices(values)
    return replace(space, dimensions=dimensions)


def _require_possible(
    space: SearchSpace, recipe: Recipe, where: str, check: Callable[[Recipe], object]
) -> None:
    """Try every end of every dimension, alone and with every end of every other one."""
    ends = [(name, end) for name, one in space.dimensions.items() for end in one.ends]
    for name, end in ends:
        _try(recipe, {name: end}, where, check)
    for (name, end), (other, far) in itertools.combinations(ends, 2):
        if name != other and name.partition(".")[0] == other.partition(".")[0]:
            _try(recipe, {name: end, other: far}, where, check)


def _try(
    recipe: Recipe, values: Mapping[str, Value], where: str, check: Callable[[Recipe], object]
) -> None:
    try:
        changed = recipe_with(recipe, values)
        if recipe.training.views and not changed.training.views:
            raise SettingsError("a search trains on stored views, of which there would be none")
        check(changed)
    except SettingsError as error:
        tried = " with ".join(f"{name} = {value!r}" for name, value in values.items())
        raise SettingsError(
            f"{tried} is not possible: {error.what}",
            where=where,
            remedy="Narrow the space, or change the recipe that it starts from",
        ) from error


def _value_in(recipe: Recipe, name: str) -> Any:
    if name == STRENGTH:
        return 1.0
    section, key = _setting(name)
    return getattr(getattr(recipe, section), key)


def _setting(name: str) -> tuple[str, str]:
    """Section and key of the recipe that a dimension changes; not for ``STRENGTH``."""
    section, _, key = name.partition(".")
    return ("network", "frozen_layers") if name == FREEZE else (section, key)
