"""The recipe: every setting of a training run, in one model, from one TOML file.

A recipe file overrides the defaults of the recipe that it names with ``base``
(``default`` unless given). Unknown keys are errors that suggest the right one.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from actinscope.errors import SettingsError
from actinscope.files import write_text_atomic
from actinscope.images import ReadOptions
from actinscope.preprocess import AugmentSettings, PreprocessSettings

RECIPE_NAMES = ("default", "quick", "fine-tuned", "paper", "scratch", "boosted-trees")


class Section(BaseModel):
    """Settings that belong together; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NetworkSettings(Section):
    """Which network, with which weights and head, frozen how far.

    Attributes:
        name: registry name, or ``auto``: the paper's EfficientNetV2-B0 if its weights
            are on this computer, else EfficientNet-Lite0.
        weights: ``imagenet``, ``none`` (random) or the path of a weights file. A network
            that is made to be trained from scratch has no ImageNet weights and starts from
            random numbers with either.
        input_size: side of the square input in pixels; None for the network's own.
        frozen_layers: how many of the first layers stay as they are; None for the
            network's own default. With 0 everything is trained, and every epoch has fresh
            views, as with ``training.views`` = 0.
        freeze_batch_norm: keep batch normalisation of the trained layers in inference
            mode with its pretrained statistics; does not apply where there are none.
        head: what follows the last feature map: ``pooled`` is global average pooling and one
            dense layer, and gives class activation maps; ``dense`` has fully connected
            layers (ReLU) between. None for the network's own.
        head_units: units of each fully connected layer; with ``dense`` only. None for 256
            and 256.
        head_dropout: dropout rate before the last layer, and with ``dense`` after each fully
            connected one. None for the network's own, with ``dense`` 0.5.
        head_flatten: give the fully connected layers every position of the feature map
            instead of the mean over its positions; with ``dense`` only. None for no.
    """

    name: str = "auto"
    weights: str = "imagenet"
    input_size: int | None = Field(default=None, ge=32, le=1024)
    frozen_layers: int | None = Field(default=None, ge=0)
    freeze_batch_norm: bool = True
    head: Literal["pooled", "dense"] | None = None
    head_units: tuple[Annotated[int, Field(ge=1, le=65536)], ...] | None = None
    head_dropout: float | None = Field(default=None, ge=0, lt=1)
    head_flatten: bool | None = None


class SplitSettings(Section):
    """Fractions of the images for training, validation and test.

    Attributes:
        keep_copies: keep changed copies (turned, shifted, recompressed) of an image in one
            part too, as the audit finds them; groups that share one are joined.
    """

    train: float = Field(default=0.8, gt=0, lt=1)
    validation: float = Field(default=0.1, gt=0, lt=1)
    test: float = Field(default=0.1, gt=0, lt=1)
    keep_copies: bool = True

    @model_validator(mode="after")
    def _sum_to_one(self) -> SplitSettings:
        if abs(self.train + self.validation + self.test - 1) > 1e-6:
            raise ValueError("train, validation and test must add up to 1")
        return self


class TrainingSettings(Section):
    """How the trained layers are fitted.

    Attributes:
        head_model: what names the class from the embedding: the network's own ``softmax``
            layer, trained with the layers that are not frozen; or no layer is trained, and
            ``linear_probe`` is logistic regression on all stages of an EfficientNet-Lite, with
            turned and mirrored views in place of other augmentation, ``boosted_trees`` are on
            the embedding (see the section trees; need the extra ``trees``). With either the
            settings of epochs, batches, steps and loss do not apply and must stay at their
            defaults.
        epochs: passes over the training part at most.
        batch_size: images a step.
        learning_rate: Adam's step size at its highest.
        schedule: ``constant``, or ``cosine`` decay to zero at the last epoch.
        warmup_epochs: epochs over which the step size rises from zero.
        loss: ``cross_entropy``; or ``class_structure``, which adds a term that draws the
            embeddings of one class together and pushes those of different classes apart
            within a batch (docs/cited-systems.md has the formula).
        structure_weight: what that term is multiplied by; class weights do not apply to it.
        structure_margin: squared distance, from 0 to 4, from which on two images of
            different classes no longer push each other.
        label_smoothing: share of the target probability spread over all classes.
        class_weights: ``balanced`` weighs each class by the inverse of its frequency.
        views: 0 draws a fresh augmentation of every image in every epoch and runs the
            whole network; V > 0 has V augmented views of every image available, stores
            what the frozen layers make of them and trains the rest on these. Dropout in
            the frozen layers is then off; with 0 it is on, as Keras has it.
        refresh: how many new views of every image take the place of the oldest stored
            ones for each epoch, such as 0.25 for one in four epochs; does not apply
            where ``views`` is 0.
        storage_gb: most disk space for stored views; fewer are stored where they do not
            fit, and the run says so.
        head_start: ``logistic`` fits the new last layer on the pretrained features by
            logistic regression before the first epoch; ``random`` leaves it random.
        early_stopping: stop after this many epochs without a better validation loss;
            0 never stops early.
        keep: which epoch's weights are delivered: ``best`` validation loss, or ``last``.
        precision: ``float32``, ``mixed`` (float16 arithmetic, float32 weights), or
            ``auto``: mixed on a GPU, float32 on a CPU.
    """

    head_model: Literal["softmax", "linear_probe", "boosted_trees"] = "softmax"
    epochs: int = Field(default=12, ge=1, le=100_000)
    batch_size: int = Field(default=16, ge=1, le=4096)
    learning_rate: float = Field(default=2e-4, gt=0, le=1)
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup_epochs: float = Field(default=1.0, ge=0)
    loss: Literal["cross_entropy", "class_structure"] = "cross_entropy"
    structure_weight: float = Field(default=0.2, gt=0, le=100)
    structure_margin: float = Field(default=1.0, gt=0, le=4)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    class_weights: Literal["none", "balanced"] = "balanced"
    views: int = Field(default=4, ge=0, le=1024)
    refresh: float = Field(default=0.25, ge=0, le=16)
    storage_gb: float = Field(default=8.0, gt=0)
    head_start: Literal["random", "logistic"] = "logistic"
    early_stopping: int = Field(default=0, ge=0)
    keep: Literal["best", "last"] = "best"
    precision: Literal["auto", "float32", "mixed"] = "auto"

    @model_validator(mode="after")
    def _no_idle_options(self) -> TrainingSettings:
        if self.warmup_epochs >= self.epochs > 1:
            raise ValueError("warmup_epochs must be smaller than epochs")
        if self.early_stopping >= self.epochs > 1:
            raise ValueError("early_stopping must be smaller than epochs, or 0 to switch it off")
        if self.refresh > self.views > 0:
            raise ValueError("refresh must not be larger than views")
        fields = type(self).model_fields
        for name in ("structure_weight", "structure_margin"):
            if self.loss == "cross_entropy" and getattr(self, name) != fields[name].default:
                raise ValueError(f"{name} does nothing where loss is cross_entropy; leave it out")
        if self.loss == "class_structure" and self.batch_size < 2:
            raise ValueError("class_structure compares images: batch_size must be 2 or more")
        return self


class LevelSettings(Section):
    """At which levels above the single image or cell the answers are summed up and judged.

    Attributes:
        by: such as ``donor``, ``field:vote`` or ``plate+well:pool``: a column of the
            manifest (several joined by ``+``), and the rule ``mean`` (of the
            probabilities, unless said), ``vote`` or ``pool`` (geometric mean).
        fewest_cells: a unit with fewer cells gets no answer.
        agreement: share of its cells that must name a unit's answer, from 0 to 1; else
            it gets none.
    """

    by: tuple[str, ...] = ()
    fewest_cells: int = Field(default=1, ge=1)
    agreement: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _no_idle_options(self) -> LevelSettings:
        if not self.by and (self.fewest_cells, self.agreement) != (1, 0.0):
            raise ValueError("fewest_cells and agreement do nothing where by names no level")
        return self


class ProbabilitySettings(Section):
    """What is said beside the probabilities, fitted on the validation part.

    Attributes:
        coverage: share of images whose prediction set is to hold their class.
        per_class: reach the coverage in every class by itself, for which every class needs
            enough validation images of its own.
        abstain: ``set`` gives no answer where the prediction set is not a single class;
            ``accuracy`` and ``share`` where the model is least sure, so that ``target`` is
            reached; ``never`` always answers.
        target: accuracy of the answers, or share of images answered; only with ``accuracy``
            or ``share``.
        unfamiliar_share: share of images like the training images that may be flagged as
            unfamiliar; the smaller, the odder an image must be.
    """

    coverage: float = Field(default=0.9, ge=0.5, le=0.99)
    per_class: bool = False
    abstain: Literal["set", "accuracy", "share", "never"] = "set"
    target: float | None = Field(default=None, gt=0, le=1)
    unfamiliar_share: float = Field(default=0.01, ge=0.001, le=0.2)

    @model_validator(mode="after")
    def _no_idle_options(self) -> ProbabilitySettings:
        wanted = self.abstain in ("accuracy", "share")
        if wanted and self.target is None:
            raise ValueError(f"abstain = {self.abstain!r} needs a target between 0 and 1")
        if not wanted and self.target is not None:
            raise ValueError(
                f"target does nothing with abstain = {self.abstain!r}: leave it out, or set "
                "abstain to 'accuracy' or 'share'"
            )
        return self


class TreeSettings(Section):
    """How boosted trees are fitted, where ``training.head_model`` is ``boosted_trees``.

    Attributes:
        rounds: rounds of boosting at most; each adds one tree for every class.
        depth: decisions from the root of a tree to a leaf at most.
        learning_rate: what a tree's answer is multiplied by.
        features: share of the embedding's features that a tree may use, drawn at random.
        patience: stop after this many rounds without a better validation loss; 0 never
            stops early. The round of the best validation loss is delivered either way.
    """

    rounds: int = Field(default=400, ge=1, le=100_000)
    depth: int = Field(default=3, ge=1, le=16)
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    features: float = Field(default=0.3, gt=0, le=1)
    patience: int = Field(default=40, ge=0)


#: What applies where no layer is trained, too: a change of any other setting would do nothing.
_UNTRAINED = {
    "network": {"name", "weights", "input_size"},
    "training": {"head_model", "class_weights", "views", "precision"},
}


class Recipe(Section):
    """Every setting of a run. ``recipe.toml`` of a run holds all of them as used.

    With ``audit`` copies, confounds and bad images are looked for while reading, and reported.
    With ``figures`` the drawings of the report are files of their own, too.
    """

    name: str = "fine-tuned"
    seed: int = Field(default=0, ge=0, lt=2**31)
    controls: bool = True
    audit: bool = True
    explanation: bool = True
    figures: bool = True
    images: ReadOptions = ReadOptions()
    preprocess: PreprocessSettings = PreprocessSettings()
    augmentation: AugmentSettings = AugmentSettings()
    split: SplitSettings = SplitSettings()
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()
    trees: TreeSettings = TreeSettings()
    levels: LevelSettings = LevelSettings()
    probabilities: ProbabilitySettings = ProbabilitySettings()

    @model_validator(mode="after")
    def _no_idle_head(self) -> Recipe:
        model = self.training.head_model
        used_of = {} if model == "softmax" else dict(_UNTRAINED)
        if model != "boosted_trees":
            used_of["trees"] = set[str]()
        for section, used in used_of.items():
            settings = getattr(self, section)
            for name, field in type(settings).model_fields.items():
                if name not in used and getattr(settings, name) != field.default:
                    raise ValueError(
                        f"{section}.{name} does nothing where training.head_model is "
                        f"{model}; leave it out, or start from the recipe fine-tuned"
                    )
        if model != "softmax" and not self.training.views:
            raise ValueError(f"{model} needs training.views of 1 or more")
        return self


def load_recipe(choice: str | Path) -> Recipe:
    """Recipe by name (one of ``RECIPE_NAMES``) or from a TOML file.

    Raises:
        SettingsError: no such recipe, not valid TOML, an unknown key or a bad value;
            names the file and the key, and suggests the nearest known key.
    """
    if str(choice) in RECIPE_NAMES:
        return _validated(_built_in(str(choice)), str(choice))
    path = Path(choice)
    if path.suffix != ".toml":
        raise SettingsError(
            f"no recipe is called {str(choice)!r}",
            remedy=f"Known recipes: {', '.join(RECIPE_NAMES)}; or give the path of a .toml file",
        )
    settings = read_toml(path)
    base = settings.pop("base", "default")
    if base not in RECIPE_NAMES:
        raise SettingsError(
            f"base is {base!r}", where=path, remedy=f"Use one of {', '.join(RECIPE_NAMES)}"
        )
    settings.setdefault("name", path.stem)
    return _validated(_merged(_built_in(base), settings), str(path))


def change_recipe(
    recipe: Recipe, changes: Mapping[str, Mapping[str, Any]], *, seed: int | None = None
) -> Recipe:
    """``recipe`` with some settings changed, given as {section: {key: value}}.

    Raises:
        SettingsError: an unknown key, a bad value or a contradiction.
    """
    settings = _merged(recipe.model_dump(), changes)
    if seed is not None:
        settings["seed"] = seed
    return _validated(settings, f"recipe {recipe.name}")


def recipe_text(recipe: Recipe) -> str:
    """All settings as TOML; settings that are None are left out."""
    import tomli_w

    return tomli_w.dumps(_without_none(recipe.model_dump(mode="json")))


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write all settings as TOML, atomically."""
    write_text_atomic(path, recipe_text(recipe))


def read_recipe(path: Path) -> Recipe:
    """Read the ``recipe.toml`` that a run wrote; raises as :func:`load_recipe`."""
    return _validated(read_toml(path), str(path))


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file of settings; raises SettingsError where it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"cannot be read ({error.strerror})", where=path, remedy="Check the path"
        ) from error
    except (ValueError, RecursionError) as error:  # also of numbers of thousands of digits
        raise SettingsError(
            f"is not valid TOML ({error})", where=path, remedy="See docs/recipes.md for an example"
        ) from error


def _built_in(name: str) -> dict[str, Any]:
    if name == "fine-tuned":  # the defaults of the models above are this recipe
        return {}
    file = resources.files("actinscope.training").joinpath(f"recipes/{name}.toml")
    return tomllib.loads(file.read_text("utf-8"))


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        nested = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if nested else value
    return merged


def _validated(settings: Mapping[str, Any], where: str) -> Recipe:
    try:
        return Recipe.model_validate(settings)
    except SettingsError as error:  # raised by a section itself, which knows no file
        place = f"{where}, {error.where}" if error.where else where
        raise SettingsError(error.what, where=place, remedy=error.remedy) from error
    except ValidationError as error:
        details = error.errors()
        first = details[0]
        key = _setting_of(first["loc"])
        if first["type"] == "extra_forbidden":
            raise SettingsError(
                f"unknown setting {key!r}", where=where, remedy=_nearest(first["loc"])
            ) from error
        # A setting of several possible types has one message for each of them.
        messages = dict.fromkeys(
            str(detail["msg"]).removeprefix("Value error, ")
            for detail in details
            if _setting_of(detail["loc"]) == key
        )
        raise SettingsError(
            f"{key}: {'; or: '.join(messages)}" if key else "; ".join(messages),
            where=where,
            remedy="See docs/recipes.md for what each setting may be",
        ) from error


def _setting_of(location: tuple[int | str, ...]) -> str:
    """``section.key`` without what pydantic appends for members of unions and tuples."""
    return ".".join(str(part) for part in location[:2])


def _nearest(location: tuple[int | str, ...]) -> str:
    name = str(location[-1])
    known = _keys_of(str(location[0])) if len(location) > 1 else list(Recipe.model_fields)
    homes = [home for home in Recipe.model_fields if name in _keys_of(home)]
    if homes:
        return f"It belongs in the section [{homes[0]}]"
    close = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]!r}" if close else f"Known here: {', '.join(known)}"


def _keys_of(section: str) -> list[str]:
    model = Recipe.model_fields[section].annotation
    if isinstance(model, type) and issubclass(model, BaseModel):
        return list(model.model_fields)
    return []


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value
