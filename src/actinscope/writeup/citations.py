"""References for what a run used, and for nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from actinscope.writeup.facts import StudyFacts

DOME = (
    "Walsh I, Fishman D, Garcia-Gasulla D et al. DOME: recommendations for supervised machine "
    "learning validation in biology. Nature Methods 18: 1122-1127 (2021)."
)
REFORMS = (
    "Kapoor S, Cantrell EM, Peng K et al. REFORMS: consensus-based recommendations for "
    "machine-learning-based science. Science Advances 10: eadk3452 (2024)."
)
MODEL_CARDS = (
    "Mitchell M, Wu S, Zaldivar A et al. Model cards for model reporting. FAT* '19: 220-229 (2019)."
)
BENGIO = (
    "Bengio Y, Grandvalet Y. No unbiased estimator of the variance of K-fold cross-validation. "
    "J Mach Learn Res 5: 1089 (2004)."
)
# Start of a network's name -> who described it. An unknown network is left to the author.
_NETWORKS = (
    ("efficientnetv2", "Tan M, Le QV. EfficientNetV2. ICML (2021)."),
    ("efficientnet", "Tan M, Le QV. EfficientNet. ICML (2019)."),
    ("inception", "Szegedy C et al. Rethinking the Inception architecture. CVPR (2016)."),
    ("nasnet", "Zoph B et al. Learning transferable architectures. CVPR (2018)."),
    ("vgg", "Simonyan K, Zisserman A. Very deep convolutional networks. ICLR (2015)."),
    ("mobilenetv3", "Howard A et al. Searching for MobileNetV3. ICCV (2019)."),
    ("mobilenet-v3", "Howard A et al. Searching for MobileNetV3. ICCV (2019)."),
    ("mobilenet", "Sandler M et al. MobileNetV2. CVPR (2018)."),
    ("densenet", "Huang G et al. Densely connected convolutional networks. CVPR (2017)."),
    ("xception", "Chollet F. Xception. CVPR (2017)."),
)


def citations(facts: StudyFacts, interval_method: str) -> Iterator[str]:
    """One reference after the other; ``interval_method`` says how intervals were made."""
    name = facts.network.name
    found = [text for start, text in _NETWORKS if name.startswith(start)]
    yield found[0] if found else f"[AUTHOR: cite {facts.network.title}.]"
    if facts.weights == "imagenet":
        yield "Russakovsky O et al. ImageNet. Int J Comput Vis 115: 211 (2015)."
    elif facts.weights == "file":
        yield "[AUTHOR: cite the source of the weights file.]"
    training, trained = facts.recipe.training, not facts.boosted_trees
    yield (
        "Kingma DP, Ba J. Adam. ICLR (2015)."
        if trained
        else "Chen T, Guestrin C. XGBoost: a scalable tree boosting system. KDD (2016)."
    )
    if trained and training.schedule == "cosine":
        yield "Loshchilov I, Hutter F. SGDR. ICLR (2017)."
    if training.loss == "class_structure":
        yield (
            "Hadsell R, Chopra S, LeCun Y. Dimensionality reduction by learning an invariant "
            "mapping. CVPR (2006)."
        )
    yield "Chollet F et al. Keras. https://keras.io (2015)."
    if facts.environment.get("backend") == "tensorflow":
        yield "Abadi M et al. TensorFlow. OSDI (2016)."
    if trained and training.head_start == "logistic":
        yield "Pedregosa F et al. Scikit-learn. J Mach Learn Res 12: 2825 (2011)."
    yield "Harris CR et al. Array programming with NumPy. Nature 585: 357 (2020)."
    if "Wilson" in interval_method:
        yield "Wilson EB. J Am Stat Assoc 22: 209 (1927)."
    if "effective number" in interval_method:
        yield "Korn EL, Graubard BI. Survey Methodology 24: 193 (1998)."
    if "percentile" in interval_method:
        yield "Hesterberg TC. Am Stat 69: 371 (2015)."
    version = facts.environment["actinscope"]
    yield f"The actinscope developers. actinscope, version {version}. Software, MIT licence."
