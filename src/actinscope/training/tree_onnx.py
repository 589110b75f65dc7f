"""A fitted ensemble of decision trees: read from XGBoost, evaluated, written as ONNX.

The converter is our own: the packages that convert XGBoost to ONNX bring large dependencies,
and what is needed of it is small.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import TrainingError

LEAF = -1
OPSET = 15
TREE_OPSET = 3


@dataclass(frozen=True, eq=False)
class Tree:
    """One tree of n nodes; the root is node 0, and children come after their parent."""

    target: int  # the class whose logit it adds to
    feature: NDArray[np.int64]  # (n,) which feature a node tests; LEAF for leaves
    threshold: NDArray[np.float32]  # (n,) float32; a row goes left where its feature is smaller
    left: NDArray[np.int64]  # (n,) child for smaller values; LEAF for leaves
    right: NDArray[np.int64]  # (n,) the other child
    missing_left: NDArray[np.bool_]  # (n,) whether a value that is not a number goes left
    value: NDArray[np.float32]  # (n,) float32, what a leaf adds to the logit; 0 elsewhere


@dataclass(frozen=True, eq=False)
class TreeEnsemble:
    """Trees whose values add up to the logits of K classes; the softmax is taken of these."""

    trees: tuple[Tree, ...]  # all of them
    base: NDArray[np.float32]  # (K,) float32, added to every logit
    features: int  # how many there are

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """(N, K) for features (N, D), computed with NumPy alone."""
        logits = np.tile(self.base.astype(np.float64), (len(features), 1))
        rows = np.arange(len(features))
        for tree in self.trees:
            place = np.zeros(len(features), np.int64)
            while (inner := tree.left[place] != LEAF).any():
                given = features[rows, np.maximum(tree.feature[place], 0)]
                left = np.where(
                    np.isnan(given), tree.missing_left[place], given < tree.threshold[place]
                )
                place = np.where(inner, np.where(left, tree.left[place], tree.right[place]), place)
            logits[:, tree.target] += tree.value[place]
        return logits

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """(N, K), the softmax of :meth:`logits`."""
        return softmax(self.logits(features))

    def centred(self, gaps: Gaps) -> TreeEnsemble:
        """The same trees with every threshold in the middle of its gap (see :class:`Gaps`)."""
        trees = []
        for tree in self.trees:
            threshold = tree.threshold.copy()
            for node in np.flatnonzero(tree.left != LEAF):
                threshold[node] = gaps.middle(int(tree.feature[node]), tree.threshold[node])
            trees.append(replace(tree, threshold=threshold))
        return replace(self, trees=tuple(trees))


class Gaps:
    """Where thresholds may lie so that no row of the training features changes its way.

    XGBoost puts thresholds on values that occur. Another runtime, whose features differ in
    the last digits, would send these very rows the other way. In the middle between the
    neighbouring values no row of the training is near the border.

    Args:
        features: (N, D) of the training.
    """

    def __init__(self, features: NDArray[np.float32]) -> None:
        self._features = features
        self._sorted: dict[int, NDArray[np.float32]] = {}

    def middle(self, column: int, threshold: np.float32) -> np.float32:
        """The middle of the gap of ``column`` that ``threshold`` lies in or closes."""
        if column not in self._sorted:
            self._sorted[column] = np.unique(np.asarray(self._features[:, column]))
        values = self._sorted[column]
        place = int(np.searchsorted(values, threshold, side="left"))
        if place == 0 or place == len(values):  # nothing on one of its sides
            return threshold
        below, above = values[place - 1], values[place]
        middle = np.float32((np.float64(below) + np.float64(above)) / 2)
        return middle if below < middle <= above else threshold


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, K) of (N, K), row by row."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float64)


def read_tree_ensemble(model: bytes | bytearray) -> TreeEnsemble:
    """The trees of ``Booster.save_raw("json")`` of XGBoost, objective multi:softprob.

    Raises:
        TrainingError: another kind of model: categorical splits, several values in a leaf,
            another booster or objective.
    """
    learner = json.loads(model)["learner"]
    parameters, booster = learner["learner_model_param"], learner["gradient_booster"]
    objective = learner["objective"]["name"]
    if booster["name"] != "gbtree" or objective != "multi:softprob":
        raise _unknown_kind(f"{booster['name']} with {objective}")
    classes = int(parameters["num_class"])
    # One number for all classes up to XGBoost 3.0, a list since.
    base = np.array(json.loads(parameters["base_score"]), np.float32).reshape(-1)
    info, trees = booster["model"]["tree_info"], booster["model"]["trees"]
    return TreeEnsemble(
        trees=tuple(_tree(one, int(target)) for one, target in zip(trees, info, strict=True)),
        base=np.broadcast_to(base, classes).copy(),
        features=int(parameters["num_feature"]),
    )


def _tree(stored: dict[str, Any], target: int) -> Tree:
    if any(stored["split_type"]) or int(stored["tree_param"]["size_leaf_vector"]) > 1:
        raise _unknown_kind("a tree with categorical splits or several values in a leaf")
    left, right = stored["left_children"], stored["right_children"]
    order = [0]  # nodes that are in use, every parent before its children
    for node in order:
        if left[node] != LEAF:
            order += [left[node], right[node]]
    number = {LEAF: LEAF} | {node: place for place, node in enumerate(order)}
    leaf = np.array([left[node] == LEAF for node in order])
    condition = np.array([stored["split_conditions"][node] for node in order], np.float32)
    return Tree(
        target=target,
        feature=np.where(leaf, LEAF, [stored["split_indices"][node] for node in order]),
        threshold=np.where(leaf, np.float32(0), condition),
        left=np.array([number[left[node]] for node in order]),
        right=np.array([LEAF if left[node] == LEAF else number[right[node]] for node in order]),
        missing_left=np.array([bool(stored["default_left"][node]) for node in order]),
        value=np.where(leaf, condition, np.float32(0)),
    )


def _unknown_kind(kind: str) -> TrainingError:
    return TrainingError(f"XGBoost gave {kind}, which cannot be written as ONNX")


def tree_ensemble_to_onnx(forest: TreeEnsemble, *, input_name: str, output_name: str) -> bytes:
    """ONNX: features (N, D) float32 to probabilities (N, K) float32.

    The trees are one ``TreeEnsembleRegressor`` of the set ai.onnx.ml, with ``BRANCH_LT`` as
    XGBoost has it; its sums go through the standard ``Softmax``.
    """
    from onnx import TensorProto, helper

    classes = len(forest.base)
    trees = helper.make_node(
        "TreeEnsembleRegressor",
        [input_name],
        ["logits"],
        domain="ai.onnx.ml",
        n_targets=classes,
        aggregate_function="SUM",
        post_transform="NONE",
        base_values=[float(value) for value in forest.base],
        **_attributes(forest.trees),
    )
    graph = helper.make_graph(
        [trees, helper.make_node("Softmax", ["logits"], [output_name], axis=1)],
        "boosted_trees",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["N", forest.features])],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, ["N", classes])],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREE_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return bytes(model.SerializeToString())


def _attributes(trees: Sequence[Tree]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for number, tree in enumerate(trees):
        leaf = tree.left == LEAF
        count = len(leaf)
        found["nodes_treeids"] += [number] * count
        found["nodes_nodeids"] += range(count)
        found["nodes_featureids"] += np.where(leaf, 0, tree.feature).tolist()
        found["nodes_values"] += tree.threshold.tolist()
        found["nodes_modes"] += np.where(leaf, "LEAF", "BRANCH_LT").tolist()
        found["nodes_truenodeids"] += np.where(leaf, 0, tree.left).tolist()
        found["nodes_falsenodeids"] += np.where(leaf, 0, tree.right).tolist()
        found["nodes_missing_value_tracks_true"] += tree.missing_left.astype(int).tolist()
        found["target_treeids"] += [number] * int(leaf.sum())
        found["target_nodeids"] += np.flatnonzero(leaf).tolist()
        found["target_ids"] += [tree.target] * int(leaf.sum())
        found["target_weights"] += tree.value[leaf].tolist()
    return found
