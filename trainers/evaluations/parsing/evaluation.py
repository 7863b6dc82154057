"""What the registry knows of human parsing: the evaluation of segmentation, with the paper's recipe for LIP.

Nothing here imports torch.
"""

from collections.abc import Mapping
from typing import Any

from trainers.declarations import Evaluation
from trainers.engine.options import merged
from trainers.evaluations.segmentation.evaluation import EVALUATION as SEGMENTATION
from trainers.evaluations.segmentation.options import SegmentationOptions, paths
from trainers.evaluations.segmentation.recipes import RECIPES
from trainers.evaluations.segmentation.recipes import recipe as segmentation

EPOCHS = {"lip": 50.0, "cihp": 120.0}


def recipe(encoder: str | None, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the paper's recipe: 50 epochs of one person an image, 120 of several, and 50 of any other images.

    Appendix B has them, the rate of .01 and its decay, which are those of segmentation with ResNet-50; so is what it
    does not state. Where config.yaml has `training.iterations`, these stand, and no epochs.

    Raises:
        ValueError: see `trainers.evaluations.segmentation.recipes.recipe`.
    """
    data, training = (values.get(name) for name in ("data", "training"))
    kind = data.get("kind", "lip") if isinstance(data, Mapping) else "lip"
    counted = isinstance(training, Mapping) and "iterations" in training
    epochs = None if counted else EPOCHS.get(str(kind), EPOCHS["lip"])
    base = segmentation(encoder, values)
    own = {} if values.get("frozen") is True else RECIPES["resnet50"]
    return merged(merged(base, own), {"data": {"kind": kind}, "epochs": epochs})


EVALUATION = Evaluation(
    name="parsing",
    options=SegmentationOptions,
    version=SEGMENTATION.version,
    run=SEGMENTATION.run,
    needs=SEGMENTATION.needs,
    starts=SEGMENTATION.starts,
    trains=True,
    recipe=recipe,
    paths=paths,
    check=SEGMENTATION.check,
)
