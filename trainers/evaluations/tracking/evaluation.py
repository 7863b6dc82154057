"""What the registry knows of tracking. Nothing here imports torch."""

from trainers.declarations import Evaluation
from trainers.evaluations.tracking.options import TrackingOptions, paths

EVALUATION = Evaluation(
    name="tracking",
    options=TrackingOptions,
    version=1,
    run="trainers.evaluations.tracking.run:run",
    needs="features",
    paths=paths,
    check="trainers.evaluations.tracking.videos:check",
)
