"""The papers' recipes of semantic segmentation: by encoder, and for frozen features.

Nothing here imports torch: Snakemake reads it, too.
"""

from collections.abc import Mapping
from typing import Any

from trainers.models.layer_names import LAYERS, check_layers

# Appendix B has the iterations and the learning rates. It does not state what follows here: scale, crop, flip, and
# batches of 16 with a weight decay of 1e-4 are customary for dilated ResNets (Chen et al., "DeepLab", TPAMI 2018; Zhao
# et al., PSPNet, CVPR 2017); batches of 20 with 5e-4 are FCN's (Long et al., CVPR 2015, section 4.3).
_TRANSFORMS = {"shorter_side": None, "scale": [0.5, 2.0], "crop": 321, "flip": True, "jitter": 0.0}
_RESNET50: dict[str, Any] = {
    "transforms": _TRANSFORMS,
    "training": {
        "iterations": 33_000,
        "batch_size": 16,
        "learning_rate": 0.01,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "schedule": "polynomial",
        "power": 0.9,
    },
}
_ALEXNET: dict[str, Any] = {
    "transforms": _TRANSFORMS,
    "training": {
        "iterations": 66_000,
        "batch_size": 20,
        "learning_rate": 0.01,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "schedule": "multistep",
        "milestones": [30 / 66, 48 / 66, 60 / 66],
    },
}
# Zhang and Maire, "Self-Supervised Visual Representation Learning from Hierarchical Grouping", NeurIPS 2020, section
# 4.2. "Randomly crop and resize" is not stated in numbers: scale and flip are those above.
FROZEN: dict[str, Any] = {
    "transforms": _TRANSFORMS | {"crop": 384},
    "training": {
        "iterations": 20_000,
        "batch_size": 20,
        "learning_rate": 0.03,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "schedule": "multistep",
        "milestones": [0.5, 0.75],
    },
}
RECIPES: dict[str, dict[str, Any]] = {
    "alexnet": _ALEXNET,
    "alexnet_torchvision": _ALEXNET,
    "resnet50": _RESNET50,
    "resnet34": _RESNET50,
    "resnet18": _RESNET50,
    "vgg16": _RESNET50,
    "vgg16_torchvision": _RESNET50,
}

_STRIDED = ("resnet18", "resnet34", "resnet50")

# The thesis (chapter 8, section 4.5) names AlexNet's layers, and two stages as Larsson et al. have them: the head, then
# all layers. It has no numbers: how long the first stage is, is our choice.
_HEAD_FIRST = 0.2
_HYPERCOLUMN = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")


def recipe(encoder: str | None, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the papers' recipe for an encoder and a head, or for features that stay as they are.

    Args:
        values: config.yaml's own options.

    Raises:
        ValueError: there is no such encoder, it lacks a layer of the hypercolumn, or the length is given twice.
    """
    training = values.get("training")
    if values.get("epochs") is not None and isinstance(training, Mapping) and "iterations" in training:
        raise ValueError("epochs and training.iterations both say how long: give one of them")
    if values.get("frozen") is True:
        return FROZEN
    if encoder is None:
        return {}
    if encoder not in RECIPES:
        raise ValueError(f"encoder is {encoder!r}: should be one of {', '.join(RECIPES)}")
    if values.get("head") != "hypercolumn":
        return RECIPES[encoder]
    given = values.get("hypercolumn")
    given = given if isinstance(given, Mapping) else {}
    if given.get("strided") is True and encoder not in _STRIDED:
        raise ValueError(f"hypercolumn.strided is for {', '.join(_STRIDED)}, and not for {encoder}: leave it out")
    try:
        check_layers(encoder, given.get("layers"))
    except ValueError as error:
        raise ValueError(f"hypercolumn.{error}") from error
    return RECIPES[encoder] | {"head_first": _HEAD_FIRST}


def hypercolumn_layers(encoder: str, layers: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the layers of a hypercolumn: those asked for, or else the thesis' of AlexNet, and all of others."""
    return layers or (_HYPERCOLUMN if encoder.startswith("alexnet") else LAYERS[encoder])
