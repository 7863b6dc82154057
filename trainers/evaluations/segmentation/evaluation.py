"""What the registry knows of semantic segmentation. Nothing here imports torch."""

from trainers.declarations import Evaluation
from trainers.evaluations.segmentation.options import SegmentationOptions, paths
from trainers.evaluations.segmentation.recipes import recipe

EVALUATION = Evaluation(
    name="segmentation",
    options=SegmentationOptions,
    version=1,
    run="trainers.evaluations.segmentation.run:run",
    needs=lambda options: "features" if options.frozen else "encoder",
    starts=("encoder", "scratch"),
    trains=True,
    recipe=recipe,
    paths=paths,
    check="trainers.evaluations.segmentation.pairs:check",
)
