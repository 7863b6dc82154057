"""What the registry knows of classification by fine-tuning. Nothing here imports torch."""

from trainers.declarations import Evaluation
from trainers.evaluations.classification.options import ClassificationOptions
from trainers.evaluations.labelled_images.options import paths

EVALUATION = Evaluation(
    name="classification",
    options=ClassificationOptions,
    version=1,
    run="trainers.evaluations.classification.run:run",
    needs="encoder",
    starts=("encoder", "scratch"),
    trains=True,
    paths=paths,
    check="trainers.evaluations.labelled_images.listing:check",
)
