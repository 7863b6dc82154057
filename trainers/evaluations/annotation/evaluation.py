"""What the registry knows of annotation. Nothing here imports torch."""

from trainers.declarations import Evaluation
from trainers.evaluations.annotation.options import AnnotationOptions, paths

EVALUATION = Evaluation(
    name="annotation",
    options=AnnotationOptions,
    version=1,
    run="trainers.evaluations.annotation.run:run",
    needs="model",
    methods=("cmp",),
    starts=("model",),
    paths=paths,
    check="trainers.evaluations.annotation.listing:check",
)
