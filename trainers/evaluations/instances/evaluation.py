"""What the registry knows of instance segmentation, and its recipe. Nothing here imports torch."""

from collections.abc import Mapping
from typing import Any

from trainers.declarations import Evaluation
from trainers.evaluations.boxed_images.options import DetectorOptions, known, paths

# Appendix B: 0.02, a tenth at epochs 10 and 15 of 16. With 16 images a step, 16 epochs of COCO's 117,266 images that
# have objects are as many steps. The rest it does not state: sizes, batch and decay are Mask R-CNN's (He et al., ICCV
# 2017, section 3.1), the warm-up is customary.
_MASK: dict[str, Any] = {
    "size": 800,
    "sizes": [800],
    "longest": 1333,
    "training": {
        "iterations": 117_266,
        "batch_size": 16,
        "learning_rate": 0.02,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "schedule": "multistep",
        "milestones": [10 / 16, 15 / 16],
        "warmup": 500,
    },
}
RECIPES = {"resnet50": _MASK, "resnet34": _MASK, "resnet18": _MASK}


def recipe(encoder: str | None, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the recipe for an encoder. Raises ValueError where Mask R-CNN does not stand on it."""
    return known(encoder, RECIPES)


EVALUATION = Evaluation(
    name="instances",
    options=DetectorOptions,
    version=1,
    run="trainers.evaluations.instances.run:run",
    needs="encoder",
    starts=("encoder", "scratch"),
    trains=True,
    recipe=recipe,
    paths=paths,
    check="trainers.evaluations.boxed_images.listing:check_masks",
)
