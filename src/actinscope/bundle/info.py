"""What bundle.json says about a delivered model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from actinscope.bundle.int8 import Int8Summary
from actinscope.bundle.reliability import Reliability, StoredModel
from actinscope.images import ReadOptions
from actinscope.preprocess import Appearance, Preprocess

#: The newest layout that this version reads. A bundle is written with the oldest version that
#: describes it: 1; 2 where it holds an INT8 network, which readers of 1 would lose on copying;
#: 3 where the network wants blue first, where its probabilities are calibrated, or where it is
#: an ensemble or has boosted trees; 4 where its answer is the mean over several views.
FORMAT_VERSION = 4
MODEL_FILE = "model.onnx"
INT8_FILE = "model_int8.onnx"
GOLDEN_FILE = "golden.npz"
FEATURES_FILE = "familiar.npz"
INFO_FILE = "bundle.json"
HASHES_FILE = "seen.json"
TREES_FILE = "trees.onnx"
#: Networks in an ensemble, at most: each is run for every image.
MOST_MEMBERS = 16


def member_folder(number: int) -> str:
    """Where an ensemble keeps a member (from 0), with forward slashes."""
    return f"members/{number:02d}"


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class NetworkSummary(StoredModel):
    """Which network the bundle holds, and under what licence its start weights came."""

    name: str
    title: str
    licence: str
    weights: str


class Member(StoredModel):
    """One network of an ensemble: which, and the digest of its own bundle.json."""

    title: str
    digest: Sha256


class Bf16Check(StoredModel):
    """How many answers of the validation part bfloat16 changed on the training computer."""

    images: int = Field(ge=1)
    changed: int = Field(ge=0)


class GoldenImage(StoredModel):
    """What is known of one golden image besides its pixels (see ``images.Image``)."""

    model_config = ConfigDict(allow_inf_nan=False)

    name: str
    channel_names: tuple[str, ...]
    pixel_size_um: tuple[float, float] | None
    is_colour: bool
    value_range: tuple[float, float]
    notes: tuple[str, ...] = ()


class BundleInfo(StoredModel):
    """The whole contract of a delivered model.

    Attributes:
        format_version: version of this layout; a reader refuses newer ones. Filled in
            when it is saved.
        actinscope_version: the version that wrote the bundle.
        created: when, ISO 8601 in UTC.
        classes: the class of each probability, in the network's order.
        network: which network it is.
        preprocess: from an image to the network's input, as fitted on the training part.
        read_options: how files with z, time or scenes were read for training.
        crop_size: side in pixels of the crops, where it was trained on cells of fields.
        appearance: how large and bright the training images were.
        group: the column that was kept together in one part, or None.
        synthetic: trained on synthetic images; never to be used on real ones.
        random_weights: started from random weights.
        notices: sentences that must be shown wherever predictions are shown.
        training: how it was trained, for people.
        metrics: the test part of metrics.json.
        head: what names the class: the last layer of model.onnx (``softmax``), or the trees
            in trees.onnx, to which model.onnx gives the embedding (``boosted_trees``).
        views: how the image may be turned and mirrored (``preprocess.turned``), as it is first.
        answered: its answer is the mean over so many of ``views``.
        bf16: what bfloat16 changed; None where the training computer does not have it.
        int8: what the 8-bit network costs and gains, or None where there is none.
        reliability: temperature, prediction sets, abstaining, out-of-distribution rule; None in
            bundles that have none of it.
        members: the networks of an ensemble, whose probabilities are averaged; each has its
            own preprocessing, and ``preprocess`` is then that of the first. Else none.
        golden: what belongs to the golden images of golden.npz, in their order.
        files: SHA-256 of each other file of the bundle. Filled in when it is saved.
    """

    format_version: int = 1
    actinscope_version: str
    created: str
    classes: tuple[str, ...] = Field(min_length=2)
    network: NetworkSummary
    preprocess: Preprocess
    read_options: ReadOptions = ReadOptions()
    crop_size: int | None = Field(default=None, ge=1, le=20_000)
    appearance: Appearance | None = None
    group: str | None = None
    synthetic: bool = False
    random_weights: bool = False
    notices: tuple[str, ...] = ()
    training: dict[str, str | int | float | None] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)
    head: Literal["softmax", "boosted_trees"] = "softmax"
    views: tuple[Annotated[int, Field(ge=0, le=7)], ...] = Field(
        default=(0,), min_length=1, max_length=8
    )
    answered: int = Field(default=1, ge=1, le=8)
    bf16: Bf16Check | None = None
    int8: Int8Summary | None = None
    reliability: Reliability | None = None
    members: tuple[Member, ...] = Field(default=(), max_length=MOST_MEMBERS)
    golden: tuple[GoldenImage, ...] = Field(default=(), max_length=64)
    files: dict[str, Sha256] = Field(default_factory=dict)

    def reading(self, options: ReadOptions | None) -> ReadOptions:
        """How to read files: what ``options`` sets, and else as for training."""
        given = {} if options is None else options.model_dump(exclude_unset=True)
        return self.read_options.model_copy(update=given)

    @field_validator("classes")
    @classmethod
    def _classes_differ(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value) or not all(value):
            raise ValueError("class names must differ and not be empty")
        return value

    @model_validator(mode="after")
    def _views_fit(self) -> BundleInfo:
        if self.views[0] != 0 or len(set(self.views)) != len(self.views):
            raise ValueError("the views must differ, and the first be the image as it is")
        if self.answered > len(self.views):
            raise ValueError(f"{self.answered} views are averaged and {len(self.views)} named")
        return self

    @model_validator(mode="after")
    def _int8_fits(self) -> BundleInfo:
        if self.int8 is None:
            return self
        rows = self.int8.golden_probabilities
        if len(rows) != len(self.golden) or len(rows[0]) != len(self.classes):
            raise ValueError("the golden probabilities of INT8 do not fit the images and classes")
        return self

    @model_validator(mode="after")
    def _reliability_fits(self) -> BundleInfo:
        found = [self.reliability, None if self.int8 is None else self.int8.reliability]
        for one in filter(None, found):
            if len(one.sets.thresholds) != len(self.classes):
                raise ValueError("the thresholds of the prediction sets do not fit the classes")
            if one.ood is not None and len(one.ood.golden) != len(self.golden):
                raise ValueError("the unfamiliarity does not fit the golden images")
        return self

    @model_validator(mode="after")
    def _members_fit(self) -> BundleInfo:
        if len(self.members) == 1 or len({one.digest for one in self.members}) < len(self.members):
            raise ValueError("an ensemble needs two or more different members")
        own = (self.int8, self.reliability)
        if self.members and (any(one is not None for one in own) or self.head != "softmax"):
            raise ValueError("an ensemble has no INT8 network, no trees and no rules of its own")
        return self

    def as_json(self) -> bytes:
        """The bytes of bundle.json, in the oldest layout that can say all of it."""
        newer = {
            "int8": 2,
            "reliability": 3,
            "members": 3,
            "head": 3,
            "views": 4,
            "answered": 4,
            "bf16": 4,
        }
        fields = BundleInfo.model_fields
        absent = {name for name in newer if getattr(self, name) == fields[name].default}
        version = max([1, *(newer[name] for name in newer.keys() - absent)])
        without: dict[str, Any] = dict.fromkeys(absent, True)
        if self.int8 is not None and self.int8.reliability is None:
            without["int8"] = {"reliability"}
        elif self.int8 is not None:
            version = max(version, 3)
        if self.preprocess.order == "rgb":
            without["preprocess"] = {"order"}
        else:
            version = max(version, 3)
        versioned = self.model_copy(update={"format_version": version})
        # Values that are not a number become null: a class without test images has no metric.
        text = versioned.model_dump_json(indent=2, by_alias=True, exclude=without)
        return f"{text}\n".encode()
