"""From images to network outputs: the only place where a bundle's network is run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import Bundle, InferenceSession, NetworkOutput, int8_note
from actinscope.images import Image
from actinscope.predict.judge import Judge


class Predictor:
    """A bundle, loaded and ready; may be used from several threads.

    Every image goes through alone, so its output does not depend on its neighbours.

    Args:
        bundle: the delivered model.
        backend: ``auto``, ``openvino`` or ``onnxruntime``.
        precision: ``float32``, or ``int8`` where the bundle offers it.

    Raises:
        BundleError: no runtime can load the network.
        UsageError: an unknown backend, or a precision that the bundle does not offer.
    """

    def __init__(
        self, bundle: Bundle, *, backend: str = "auto", precision: str = "float32"
    ) -> None:
        self.bundle = bundle
        self.precision = precision
        network = bundle.network(precision)
        #: What is said of the outputs: calibrated probabilities, sets, what is unfamiliar.
        self.judge = Judge(bundle.reliability(precision), bundle.references())
        self._session = InferenceSession(network, backend=backend, where=str(bundle.path))

    @property
    def classes(self) -> tuple[str, ...]:
        """The class of each probability, in order."""
        return tuple(self.bundle.info.classes)

    @property
    def backend(self) -> str:
        """The runtime in use: ``openvino`` or ``onnxruntime``."""
        return self._session.backend

    @property
    def fallback(self) -> str:
        """Why OpenVINO is not in use although it was to be tried; else empty."""
        return self._session.fallback

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

    def prepare(self, image: Image) -> NDArray[np.float32]:
        """The network's input for one image, (S, S, C) float32.

        Raises:
            ImageError: the image does not fit what the network was trained on.
        """
        prepared: NDArray[np.float32] = self.bundle.info.preprocess.apply(image)
        return prepared

    @property
    def side_by_side(self) -> int:
        """How many images can be in the network at the same time."""
        return self._session.side_by_side

    def predict_input(
        self, image: NDArray[np.float32], *, probabilities_only: bool = False
    ) -> NetworkOutput:
        """Outputs (N = 1) for one prepared image, (S, S, C) float32 in the network's range.

        With ``probabilities_only`` the other outputs are left out, but for what
        :attr:`judge` needs. The probabilities are those of the network, not calibrated.
        """
        return self._session.run_one(
            image,
            probabilities_only=probabilities_only,
            early_features=self.judge.wants_features,
        )

    def predict_inputs(self, batch: NDArray[np.float32]) -> NetworkOutput:
        """Outputs for prepared images, (N, S, S, C) float32 in the network's range."""
        return self._session.run(batch)

    def predict_images(self, images: Sequence[Image]) -> NetworkOutput:
        """Outputs for raw images, in their order.

        Raises:
            ImageError: one of them does not fit what the network was trained on.
        """
        preprocess = self.bundle.info.preprocess
        batch = np.empty(
            (len(images), preprocess.size, preprocess.size, preprocess.network_channels),
            dtype=np.float32,
        )
        for place, image in enumerate(images):
            batch[place] = self.prepare(image)
        return self.predict_inputs(batch)
