"""The networks of Keras Applications, as data.

Addresses, file names and hashes are those that Keras itself uses for ``include_top=False``.
Frozen by default is everything before the last stage, which is the one that works at the
coarsest resolution; its names say where it begins. Only EfficientNetV2-B0 has the paper's 200.
No source says how far the paper's rivals were frozen, so theirs too follow this rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from actinscope.networks.convnext import ConvNeXt
from actinscope.networks.entry import Builder, KerasApplication, NetworkEntry
from actinscope.networks.head import DENSE_DROPOUT, DENSE_UNITS, Head
from actinscope.networks.weight_sources import KerasDownload
from actinscope.preprocess import NetworkInput

_STORAGE = "https://storage.googleapis.com/"
_FILES = _STORAGE + "tensorflow/keras-applications/"
_KERNELS = "_weights_tf_dim_ordering_tf_kernels_notop.h5"

_Planes = tuple[float, float, float]
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
# Keras' "caffe" mode: 0..255, blue first, less the mean of ImageNet (here red, green, blue).
_CAFFE_MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)

_NO_RESCALING = (("include_preprocessing", False),)


def _torch_range(size: int) -> NetworkInput:
    return NetworkInput(size=size, mean=_IMAGENET_MEAN, std=_IMAGENET_STD)


def _tf_range(size: int) -> NetworkInput:
    return NetworkInput(size=size, mean=(0.5,) * 3, std=(0.5,) * 3)  # -1..1


def _caffe_range(size: int) -> NetworkInput:
    return NetworkInput(size=size, mean=_CAFFE_MEAN, std=(1 / 255,) * 3, order="bgr")


def _v2_large_range(size: int) -> NetworkInput:
    # Keras' Rescaling(1/128, offset=-1) of 0..255, which ends a little below 1.
    return NetworkInput(size=size, mean=(128 / 255,) * 3, std=(128 / 255,) * 3)


def keras_applications() -> tuple[NetworkEntry, ...]:
    """All of them; the paper's four first."""
    return (
        *_efficientnets_v2("b0"),
        *_inceptions(),
        _nasnet_mobile(),
        *_vggs(),
        *_efficientnets_v2("b1", "b2", "b3", "s", "m", "l"),
        *_efficientnets(),
        *_resnets(),
        *_densenets(),
        *_mobilenets(),
        *_convnexts(),
    )


def _efficientnets_v2(*variants: str) -> Iterator[NetworkEntry]:
    # Side, layers, frozen layers (before block6a), MD5.
    rows = {
        "b0": (224, 271, 200, "893217f2bb855e2983157299931e43ff"),  # the paper's 200
        "b1": (240, 335, 196, "0e80663031ca32d657f9caa404b6ec37"),
        "b2": (260, 350, 196, "1dfe2e7a5d45b6632553a8961ea609eb"),
        "b3": (300, 410, 226, "f6abf7b5849ac99a89b50dd3fd532856"),
        "s": (384, 515, 286, "af0682fb74e8c54910f2d4393339c070"),
        "m": (480, 742, 395, "1b8dc055df72dde80d614482840fe342"),
        "l": (480, 1030, 548, "b0b66b5c863aef5b46e8608fe1711615"),
    }
    for variant in variants:
        size, layers, frozen, digest = rows[variant]
        # Keras' B variants, when asked to rescale, standardise with ImageNet's mean and
        # deviation (their docstring says -1..1, which holds for S, M and L only).
        wanted = _torch_range(size) if variant.startswith("b") else _v2_large_range(size)
        name = f"efficientnetv2-{variant}"
        yield NetworkEntry(
            name=name,
            title=f"EfficientNetV2-{variant.upper()}",
            input=wanted,
            layer_count=layers,
            frozen_layers=frozen,
            licence="Apache-2.0",
            weights=_download("efficientnet_v2/", f"{name}_notop.h5", digest),
            builder=KerasApplication(f"EfficientNetV2{variant.upper()}", _NO_RESCALING),
            head=Head(dropout=0.2, wide_start=True),
        )


def _efficientnets() -> Iterator[NetworkEntry]:
    # Side, layers, frozen layers (before block6a), dropout, MD5. Keras has layers before the
    # stem that rescale 0..255 to what _torch_range gives; they are left out here.
    rows = (
        (224, 238, 160, 0.2, "50bc09e76180e00e4465e1a485ddc09d"),
        (240, 340, 232, 0.2, "74c4e6b3e1f6a1eea24c589628592432"),
        (260, 340, 232, 0.3, "111f8e2ac8aa800a7a99e3239f7bfb39"),
        (300, 385, 262, 0.3, "af6d107764bb5b1abb91932881670226"),
        (380, 475, 322, 0.4, "ebc24e6d6c33eaebbd558eafbeedf1ba"),
        (456, 577, 394, 0.4, "38879255a25d3c92d5e44e04ae6cec6f"),
        (528, 667, 454, 0.5, "9ecce42647a20130c1f39a5d4cb75743"),
        (600, 814, 556, 0.5, "cbcfe4450ddf6f3ad90b1b398090fe4a"),
    )
    for number, (size, layers, frozen, dropout, digest) in enumerate(rows):
        file_name = f"efficientnetb{number}_notop.h5"
        yield NetworkEntry(
            name=f"efficientnet-b{number}",
            title=f"EfficientNet-B{number}",
            input=_torch_range(size),
            layer_count=layers,
            frozen_layers=frozen,
            licence="Apache-2.0",
            weights=KerasDownload(_STORAGE + "keras-applications/" + file_name, file_name, digest),
            builder=KerasApplication(f"EfficientNetB{number}", first="stem_conv_pad"),
            head=Head(dropout=dropout, wide_start=True),
        )


@dataclass(frozen=True)
class _Row:
    """What a network with the pooled head and nothing unusual is described by."""

    name: str
    title: str
    layers: int
    frozen: int
    folder: str
    file: str
    digest: str | None
    builder: Builder


def _entry(row: _Row, wanted: NetworkInput, licence: str, *, smallest: int = 32) -> NetworkEntry:
    return NetworkEntry(
        name=row.name,
        title=row.title,
        input=wanted,
        layer_count=row.layers,
        frozen_layers=row.frozen,
        licence=licence,
        weights=_download(row.folder, row.file, row.digest),
        builder=row.builder,
        smallest=smallest,
    )


def _inceptions() -> Iterator[NetworkEntry]:
    inception = _Row(
        "inception-v3", "Inception V3", 313, 229,  # up to mixed7
        "inception_v3/", "inception_v3" + _KERNELS, "bcbd6486424b2319ff4ef7d526e38f63",
        KerasApplication("InceptionV3"),
    )  # fmt: skip
    xception = _Row(
        "xception", "Xception", 134, 116,  # before block13
        "xception/", "xception" + _KERNELS, "b0042744bf5b25fce3cb969f33bebb97",
        KerasApplication("Xception"),
    )  # fmt: skip
    yield _entry(inception, _tf_range(299), "MIT", smallest=75)
    yield _entry(xception, _tf_range(299), "MIT", smallest=71)


def _nasnet_mobile() -> NetworkEntry:
    return NetworkEntry(
        name="nasnet-mobile",
        title="NASNet Mobile",
        input=_tf_range(224),
        layer_count=771,
        frozen_layers=531,  # up to normal_concat_8
        licence="Apache-2.0",
        weights=KerasDownload(
            url=_FILES + "nasnet/NASNet-mobile-no-top.h5",
            file_name="nasnet_mobile_no_top.h5",
            digest="1ed92395b5b598bdda52abe5c0dbfd63",
        ),
        builder=KerasApplication("NASNetMobile"),
    )


def _vggs() -> Iterator[NetworkEntry]:
    """Convolutions of VGG-16 and VGG-19 with two new fully connected layers.

    The paper says of "model b", which it compares with, that it follows VGG-16 and has two
    fully connected layers; their units and dropout, and whether the feature map is pooled or
    flattened before them, are not known from it. Here they are settings of the recipe with
    the defaults of Head for dense heads.
    """
    rows = (
        (16, 25, 15, "6d6bbae143d832006294945121d1f1fc"),
        (19, 28, 17, "253f8cb515780f3b799900260a226db6"),
    )
    for depth, layers, frozen, digest in rows:
        yield NetworkEntry(
            name=f"vgg{depth}",
            title=f"VGG-{depth}",
            input=_caffe_range(224),
            layer_count=layers,
            frozen_layers=frozen,  # up to block4_pool
            licence="CC-BY-4.0",
            weights=_download(f"vgg{depth}/", f"vgg{depth}{_KERNELS}", digest),
            builder=KerasApplication(f"VGG{depth}"),
            head=Head(units=DENSE_UNITS, dropout=DENSE_DROPOUT),
        )


def _resnets() -> Iterator[NetworkEntry]:
    # Depth, layers, frozen layers (before the stage conv5), MD5.
    first = (
        (50, 177, 143, "4d473c1dd8becc155b73f8504c6f6626"),
        (101, 347, 313, "88cf7a10940856eca736dc7b7e228a21"),
        (152, 517, 483, "ee4c566cf9a93f14d82f913c2dc6dd0c"),
    )
    second = (
        (50, 192, 154, "fac2f116257151a9d068a22e544a4917"),
        (101, 379, 341, "c0ed64b8031c3730f411d2eb4eea35b5"),
        (152, 566, 528, "ed17cf2e0169df9d443503ef94b23b33"),
    )
    for depth, layers, frozen, digest in first:
        row = _Row(
            f"resnet{depth}", f"ResNet-{depth}", layers, frozen,
            "resnet/", f"resnet{depth}{_KERNELS}", digest, KerasApplication(f"ResNet{depth}"),
        )  # fmt: skip
        yield _entry(row, _caffe_range(224), "MIT")
    for depth, layers, frozen, digest in second:
        row = _Row(
            f"resnet{depth}-v2", f"ResNet-{depth} V2", layers, frozen,
            "resnet/", f"resnet{depth}v2{_KERNELS}", digest, KerasApplication(f"ResNet{depth}V2"),
        )  # fmt: skip
        yield _entry(row, _tf_range(224), "not stated by Keras")


def _densenets() -> Iterator[NetworkEntry]:
    # Depth, layers, frozen layers (up to pool4_pool), MD5.
    rows = (
        (121, 429, 313, "30ee3e1110167f948a6b9946edeeb738"),
        (169, 597, 369, "b8c4d4c20dd625c148057b9ff1c1176b"),
        (201, 709, 481, "c13680b51ded0fb44dff2d8f86ac8bb1"),
    )
    for depth, layers, frozen, digest in rows:
        row = _Row(
            f"densenet{depth}", f"DenseNet-{depth}", layers, frozen,
            "densenet/", f"densenet{depth}{_KERNELS}", digest,
            KerasApplication(f"DenseNet{depth}"),
        )  # fmt: skip
        yield _entry(row, _torch_range(224), "BSD-3-Clause")


def _mobilenets() -> Iterator[NetworkEntry]:
    second = _Row(
        "mobilenet-v2", "MobileNet V2", 156, 116,  # up to block_12_add
        "mobilenet_v2/", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
        None, KerasApplication("MobileNetV2"),
    )  # fmt: skip
    yield _entry(second, _tf_range(224), "Apache-2.0")
    # Layers, frozen layers (before expanded_conv_8, expanded_conv_12), MD5.
    rows = {
        "small": (159, 108, "d3e8ec802a04aa4fc771ee12a9a9b836"),
        "large": (189, 138, "07fb09a5933dd0c8eaafa16978110389"),
    }
    for variant, (layers, frozen, digest) in rows.items():
        yield NetworkEntry(
            name=f"mobilenet-v3-{variant}",
            title=f"MobileNet V3 {variant.capitalize()}",
            input=_tf_range(224),
            layer_count=layers,
            frozen_layers=frozen,
            licence="Apache-2.0",
            weights=_download(
                "mobilenet_v3/",
                f"weights_mobilenet_v3_{variant}_224_1.0_float_no_top_v2.h5",
                digest,
            ),
            builder=KerasApplication(f"MobileNetV3{variant.capitalize()}", _NO_RESCALING),
            head=Head(dropout=0.2),
        )


def _convnexts() -> Iterator[NetworkEntry]:
    # Layers, frozen layers (before downsampling_2), SHA-256.
    rows = {
        "tiny": (138, 112, "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1"),
        "small": (264, 238, "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab"),
        "base": (264, 238, "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45"),
    }
    for variant, (layers, frozen, digest) in rows.items():
        yield NetworkEntry(
            name=f"convnext-{variant}",
            title=f"ConvNeXt-{variant.capitalize()}",
            input=_torch_range(224),
            layer_count=layers,
            frozen_layers=frozen,
            licence="MIT",
            weights=_download("convnext/", f"convnext_{variant}_notop.h5", digest),
            builder=ConvNeXt(variant),
            pools_itself=True,
        )


def _download(folder: str, file_name: str, digest: str | None) -> KerasDownload:
    return KerasDownload(_FILES + folder + file_name, file_name, digest)
