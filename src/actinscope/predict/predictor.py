"""From images to network outputs: the only place where a bundle's network is run."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import (
    Bundle,
    NetworkOutput,
    check_golden,
    int8_note,
    joint_output,
    mean_of_views,
    open_sessions,
)
from actinscope.errors import UsageError
from actinscope.images import Image
from actinscope.predict.decision import DecisionRules
from actinscope.preprocess import turned
from actinscope.runtimes import has_native_bf16

#: What one image becomes: for each network of the bundle (S, S, C) float32 in its range. An
#: ensemble has several networks, other bundles have one.
NetworkInputs = tuple[NDArray[np.float32], ...]


class Predictor:
    """A bundle, loaded and ready; may be used from several threads.

    Every image goes through alone, so its output does not depend on its neighbours. For an
    ensemble it goes through every member, and the output is the mean of their probabilities.

    Args:
        bundle: the delivered model.
        backend: ``auto``, ``openvino`` or ``onnxruntime``.
        precision: ``float32``; ``bf16`` where the processor has it; ``int8`` where the bundle
            offers it; or ``auto``, bf16 where it changed no answer in training, else float32.
        changed: its network is not the one that was saved, so the golden outputs are not compared.
        views: average the answer over so many of the bundle's views; None for as many as it says.

    Raises:
        BundleError: no runtime can load the network.
        GoldenMismatch: it gives something else than it did when the bundle was written.
        UsageError: an unknown backend, or a precision or number of views that the bundle does
            not offer.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        backend: str = "auto",
        precision: str = "auto",
        changed: bool = False,
        views: int | None = None,
    ) -> None:
        self.bundle = bundle
        self._views = tuple(_answered_views(one, views) for one in bundle.networks)
        self.precision = precision = _settled(bundle, precision, backend)
        #: Applied to the outputs: calibrated probabilities, sets, what is unfamiliar.
        self.rules = DecisionRules.of(bundle, precision)
        self._preprocess = tuple(one.info.preprocess for one in bundle.networks)
        # Members that were trained on the same images mostly scale them in the same way.
        self._alike = [self._preprocess.index(one) for one in self._preprocess]
        self._sessions = open_sessions(bundle, precision=precision, backend=backend)
        if not changed:
            check_golden(bundle, self._sessions, precision=precision)

    @property
    def views(self) -> int:
        """Over how many views an answer is averaged; of an ensemble the most of a member."""
        return max(map(len, self._views))

    def with_views(self, views: Sequence[int]) -> Predictor:
        """This predictor, its answer averaged over ``views`` of an image instead.

        Raises:
            ValueError: an ensemble, whose members each have their own.
        """
        if len(self._views) > 1:
            raise ValueError("an ensemble has no views of its own")
        other = copy(self)
        other._views = (tuple(views),)
        return other

    @property
    def classes(self) -> tuple[str, ...]:
        """The class of each probability, in order."""
        return tuple(self.bundle.info.classes)

    @property
    def backend(self) -> str:
        """The runtime in use: ``openvino`` or ``onnxruntime``; of an ensemble perhaps both."""
        return " and ".join(sorted({session.backend for session in self._sessions}))

    @property
    def fallback(self) -> str:
        """Why OpenVINO is not in use although it was to be tried; else empty."""
        return "; ".join(dict.fromkeys(one.fallback for one in self._sessions if one.fallback))

    @property
    def cost(self) -> str:
        """What the precision costs, to be said beside its predictions; empty for float32."""
        summary = self.bundle.info.int8
        if self.precision != "int8" or summary is None:
            return ""
        note = int8_note(summary)
        if summary.backend != self.backend:
            note += f". That was measured with {summary.backend}, this is {self.backend}"
        return note

    def prepare(self, image: Image) -> NetworkInputs:
        """The input of every network for one image; raises before any network is run.

        Raises:
            ImageError: the image does not fit what a network was trained on.
        """
        ready = {number: self._preprocess[number].apply(image) for number in set(self._alike)}
        return tuple(ready[number] for number in self._alike)

    def prepare_scaled(self, scaled: NDArray[np.float32]) -> NetworkInputs:
        """The network's input for an image (S, S, K) as ``preprocess.to_scaled`` gives it.

        Raises:
            UsageError: an ensemble, whose members each scale images in their own way.
        """
        if len(self._preprocess) > 1:
            raise UsageError(
                "an ensemble has no scaled image of its own",
                where=self.bundle.path,
                remedy="Give one of its members, which are in its folder 'members'",
            )
        return (self._preprocess[0].to_network(scaled),)

    @property
    def side_by_side(self) -> int:
        """How many images can be in a network at the same time."""
        return min(session.side_by_side for session in self._sessions)

    def predict_input(
        self, prepared: NetworkInputs, *, probabilities_only: bool = False
    ) -> NetworkOutput:
        """Outputs (N = 1) for one prepared image.

        With ``probabilities_only`` the other outputs are left out, but for what :attr:`rules`
        need. The probabilities are those of the network, not calibrated; of an ensemble the mean
        of its members' probabilities, each calibrated with the member's own temperature, and the
        members' own outputs come with them.
        """
        parts = zip(self._sessions, prepared, self.rules.networks, self._views, strict=True)
        outputs = [
            mean_of_views(
                [
                    session.run_one(
                        turned(array, view),
                        probabilities_only=probabilities_only,
                        early_features=rules.wants_features,
                    )
                    for view in views
                ],
                views,
            )
            for session, array, rules, views in parts
        ]
        return joint_output(self.bundle.networks, outputs)

    def predict_inputs(self, batches: Sequence[NDArray[np.float32]]) -> NetworkOutput:
        """Outputs for prepared images: for every network (N, S, S, C) float32 in its range."""
        parts = zip(self._sessions, batches, self._views, strict=True)
        outputs = [
            mean_of_views([session.run(turned(batch, view)) for view in views], views)
            for session, batch, views in parts
        ]
        return joint_output(self.bundle.networks, outputs)

    def predict_images(self, images: Sequence[Image]) -> NetworkOutput:
        """Outputs for raw images, in their order.

        Raises:
            ImageError: one of them does not fit what a network was trained on.
        """
        batches = [
            np.empty((len(images), one.size, one.size, one.network_channels), dtype=np.float32)
            for one in self._preprocess
        ]
        for place, image in enumerate(images):
            for batch, array in zip(batches, self.prepare(image), strict=True):
                batch[place] = array
        return self.predict_inputs(batches)


def _settled(bundle: Bundle, precision: str, backend: str) -> str:
    if precision == "bf16" and backend == "onnxruntime":
        raise UsageError(
            "ONNX Runtime has no bfloat16 arithmetic on a processor",
            remedy="Leave --precision out, or --backend",
        )
    if precision == "auto":
        checks = [one.info.bf16 for one in bundle.networks]
        same = all(check is not None and not check.changed for check in checks)
        native = backend != "onnxruntime" and has_native_bf16()
        return "bf16" if same and native else "float32"
    if precision == "bf16" and not has_native_bf16():
        raise UsageError(
            "this processor has no bfloat16 arithmetic",
            remedy="Leave --precision out, or give float32",
        )
    return precision


def _answered_views(network: Bundle, wanted: int | None) -> tuple[int, ...]:
    offered = network.info.views
    if wanted is not None and not 1 <= wanted <= len(offered):
        raise UsageError(
            f"{wanted} views were asked for, and the model offers {len(offered)}",
            where=network.path,
            remedy=f"Give --views with a number from 1 to {len(offered)}, or leave it out",
        )
    return offered[: wanted or network.info.answered]
