"""What the registry knows of linear classifiers on frozen activations. Nothing here imports torch."""

from trainers.declarations import Evaluation
from trainers.evaluations.labelled_images.options import paths
from trainers.evaluations.linear.options import LinearOptions, recipe

EVALUATION = Evaluation(
    name="linear",
    options=LinearOptions,
    version=1,
    run="trainers.evaluations.linear.run:run",
    needs="encoder",
    starts=("encoder", "scratch"),
    trains=True,
    recipe=recipe,
    paths=paths,
    check="trainers.evaluations.labelled_images.listing:check",
)
