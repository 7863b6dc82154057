"""What the registry knows of object detection, and the recipes by encoder. Nothing here imports torch."""

from collections.abc import Mapping
from typing import Any

from trainers.declarations import Evaluation
from trainers.evaluations.boxed_images.options import DetectorOptions, known, paths

# Girshick, "Fast R-CNN", ICCV 2015, sections 2.3, 4.1 and 5.2: 40k iterations of 2 images on VOC 2007, five scales in
# training, one in testing, and about 2,000 proposals.
_FAST: dict[str, Any] = {
    "size": 600,
    "sizes": [480, 576, 688, 864, 1200],
    "longest": 2000,
    "proposals": 2000,
    "rois": 64,
    "width": 4096,
    "training": {
        "iterations": 40_000,
        "batch_size": 2,
        "learning_rate": 0.001,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "schedule": "multistep",
        "milestones": [0.75],
    },
}
# No paper of ours states one for ResNets. This is the customary one of VOC 2007 (He et al., "Momentum Contrast", CVPR
# 2020, appendix): 9k iterations of 16 images, several scales in training, a single one in testing.
_FASTER: dict[str, Any] = {
    "size": 800,
    "sizes": [480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800],
    "longest": 1333,
    "training": {
        "iterations": 9_000,
        "batch_size": 16,
        "learning_rate": 0.02,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "schedule": "multistep",
        "milestones": [2 / 3, 8 / 9],
        "warmup": 100,
    },
}
RECIPES = dict.fromkeys(("alexnet", "alexnet_torchvision", "vgg16", "vgg16_torchvision"), _FAST) | dict.fromkeys(
    ("resnet50", "resnet34", "resnet18"), _FASTER
)


def recipe(encoder: str | None, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the recipe for an encoder. Raises ValueError where there is none for it."""
    return known(encoder, RECIPES)


EVALUATION = Evaluation(
    name="detection",
    options=DetectorOptions,
    version=1,
    run="trainers.evaluations.detection.run:run",
    needs="encoder",
    starts=("encoder", "scratch"),
    trains=True,
    recipe=recipe,
    paths=paths,
    check="trainers.evaluations.boxed_images.listing:check",
)
