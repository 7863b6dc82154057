"""How far a network's flow is from the exact one, beside what needs no learning, on the same pixels."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from common_fate.datasets.show import spread
from common_fate.errors import UserError
from common_fate.progress import progress
from common_fate.torch.sample import Sample
from pipeline.columns.flow.dis import dis
from pipeline.columns.flow.networks.inference import estimator_of
from trainers.data.split import Split
from trainers.data.views import Side, Views, dataset_name, open_views
from trainers.engine.loaders import one_line_errors
from trainers.evaluations.flow.gallery import Example, gallery
from trainers.evaluations.job import Job
from trainers.evaluations.result import ALL, Picture, Result, Row
from trainers.evaluations.start import load_start_model
from trainers.methods.selflow.samples import FRAMES

Flow = NDArray[np.float32]
Estimate = Callable[[NDArray[np.float32]], Flow]
"""From frames `(1, 3, 3, H, W)` to flow `(1, 2, H, W)`."""

NETWORK, NO_MOTION = "network", "no motion"
BANDS = {"s0-10": (0.0, 10.0), "s10-40": (10.0, 40.0), "s40+": (40.0, np.inf)}
"""Of the exact motion, pixels: MPI-Sintel's."""
PARTS = ("", "not occluded", "occluded", *BANDS)
"""Subsets of pixels; the first is all of them."""
CAPTION = (
    "The image, the exact motion and the estimated one on the Middlebury colour wheel, with the same full colour in a "
    "row, and how far each pixel is off."
)
NOTE = (
    "End-point errors (epe) in pixels, means over all pixels whose motion is known; Fl, the share of them that are off "
    "by 3 px and by 5 % of their motion, as KITTI has it. s0-10, s10-40, s40+: pixels that move so far. Occluded: as "
    "the data set says, where it does. DIS is OpenCV's; no motion says that nothing moves. All on the same pixels."
)


@dataclass
class Errors:
    """Sums over pixels, of one estimator: end-point errors, pixels, outliers of Fl, by subset."""

    total: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    count: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))
    outliers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))

    def add(
        self, errors: NDArray[np.float64], speed: NDArray[np.float64], parts: Mapping[str, NDArray[np.bool_]]
    ) -> None:
        """Adds one sample's pixels: end-point errors and exact speeds `(H, W)`, and which are in a subset."""
        wrong = (errors > 3) & (errors > 0.05 * speed)
        for name, mask in parts.items():
            self.total[name] += float(errors[mask].sum())
            self.count[name] += int(mask.sum())
            self.outliers[name] += int((wrong & mask).sum())

    def epe(self, part: str) -> float | None:
        """Returns the mean end-point error over a subset, pixels; None where it has no pixels."""
        return self.total[part] / self.count[part] if self.count[part] else None

    def fl(self, part: str) -> float | None:
        """Returns the share of outliers in a subset, percent."""
        return 100 * self.outliers[part] / self.count[part] if self.count[part] else None

    def __add__(self, other: "Errors") -> "Errors":
        summed = Errors()
        for mine, theirs, to in zip(vars(self).values(), vars(other).values(), vars(summed).values(), strict=True):
            to.update({part: mine[part] + theirs[part] for part in PARTS})
        return summed


@dataclass(frozen=True)
class Measured:
    """One dataset: its samples, each estimator's errors by its name, and seconds a pair."""

    dataset: str
    samples: int
    errors: Mapping[str, Errors]
    seconds: Mapping[str, float]


class Members:
    """Passes a sample on with its frames and its exact flow, as it is."""

    needs = (*FRAMES, "truth.flow", "truth.valid")

    def __call__(self, sample: Sample) -> Sample:
        wanted = ("key", *self.needs, "truth.occlusion")
        return {name: sample[name] for name in wanted if name in sample}


def run(job: Job) -> Result:
    """Measures a network on views of `flow`.

    Raises:
        UserError: the model or a view cannot be read, or no sample is left to measure.
    """
    net, _ = load_start_model(job)
    frames = int(getattr(net, "frames", 2))
    network = estimator_of(net, job.experiment)
    estimates: dict[str, Estimate] = {NETWORK: lambda images: network(images[:, 3 - frames :])}
    for preset in job.options.dis:
        estimates[f"DIS {preset}"] = _dis(preset)
    split = Split(job.validation_share)
    side: Side = "all" if job.side == "all" else "held out"
    opened = open_views(job.views, Members(), split, side, needs=Members.needs, cache=job.cache)
    parts = [
        (dataset_name(view), Views([view], [rows]))
        for view, rows in zip(opened.views, opened.rows, strict=True)
        if len(rows)
    ]
    measured = [measure(name, samples, estimates, job.machine.workers) for name, samples in parts]
    rows = rows_of(measured)
    shown = _examples([samples for _, samples in parts], estimates[NETWORK], job.options.pictured)
    count = sum(one.samples for one in measured)
    pictures = (
        (Picture("samples", gallery(f"{job.experiment}: {len(shown)} of {count:,} samples", shown), CAPTION),)
        if shown
        else ()
    )
    times = "; ".join(
        f"{one.dataset}: {', '.join(f'{name} {1000 * seconds:.0f}' for name, seconds in one.seconds.items())}"
        for one in measured
    )
    about = {"seconds_a_pair": {one.dataset: dict(one.seconds) for one in measured}}
    return Result(rows, pictures, about, f"{NOTE}\nMilliseconds a pair, one thread of a CPU or a GPU: {times}.")


def _dis(preset: str) -> Estimate:
    estimate = dis(preset=preset)
    return lambda images: estimate(images[:, 1:])


def measure(dataset: str, samples: Views, estimates: Mapping[str, Estimate], workers: int = 0) -> Measured:
    """Measures estimators, and no motion, on all samples of a dataset.

    Raises:
        UserError: a sample cannot be read, or the exact flow is not valid anywhere.
    """
    errors = {name: Errors() for name in (*estimates, NO_MOTION)}
    seconds = dict.fromkeys(estimates, 0.0)
    loader = DataLoader(samples, batch_size=None, num_workers=workers)
    for sample in progress(one_line_errors(iter(loader)), len(samples), f"evaluate {dataset}"):
        images = _frames(sample)
        truth = sample["truth.flow"].double().numpy()
        speed = np.hypot(*truth)
        parts = _parts(sample, speed)
        for name, estimate in estimates.items():
            began = time.perf_counter()
            flow = estimate(images)[0]
            seconds[name] += time.perf_counter() - began
            errors[name].add(np.hypot(*(flow - truth)), speed, parts)
        errors[NO_MOTION].add(speed, speed, parts)
    if not errors[NO_MOTION].count[""]:
        raise UserError(f"{dataset}: the exact flow of its {len(samples)} samples is not valid anywhere")
    return Measured(dataset, len(samples), errors, {name: total / len(samples) for name, total in seconds.items()})


def rows_of(measured: Sequence[Measured]) -> tuple[Row, ...]:
    """Returns the rows of the report: all datasets together first, where there are several."""
    rows = []
    if len(measured) > 1:
        together = {name: sum((one.errors[name] for one in measured), start=Errors()) for name in measured[0].errors}
        measured = [Measured(ALL, sum(one.samples for one in measured), together, {}), *measured]
    for one in measured:
        network = one.errors[NETWORK]
        others = {name: errors for name, errors in one.errors.items() if name != NETWORK}
        for part in PARTS:
            if network.count[part]:
                baselines = {name: errors.epe(part) for name, errors in others.items()}
                rows.append(Row(one.dataset, "epe", network.epe(part), "px", "lower", one.samples, part, baselines))
        baselines = {name: errors.fl("") for name, errors in others.items()}
        rows.append(Row(one.dataset, "Fl", network.fl(""), "%", "lower", one.samples, "", baselines))
    return tuple(rows)


def _frames(sample: Sample) -> NDArray[np.float32]:
    """`(1, 3, 3, H, W)`: the frame before, this one, the next."""
    return np.stack([sample[name].numpy() for name in FRAMES])[None]


def _parts(sample: Sample, speed: NDArray[np.float64]) -> dict[str, NDArray[np.bool_]]:
    valid = sample["truth.valid"].numpy()
    parts = {"": valid}
    if "truth.occlusion" in sample:
        hidden = sample["truth.occlusion"].numpy()
        parts |= {"not occluded": valid & ~hidden, "occluded": valid & hidden}
    return parts | {name: valid & (low <= speed) & (speed < high) for name, (low, high) in BANDS.items()}


def _examples(several: Sequence[Views], estimate: Estimate, count: int) -> list[Example]:
    """Some samples, spread evenly over the datasets, with what the network estimates."""
    found = []
    for number, rows in spread([len(samples) for samples in several], count).items():
        for row in rows:
            sample = several[number][row]
            flow = estimate(_frames(sample))[0]
            found.append(
                Example(
                    sample["key"],
                    sample["image"].numpy(),
                    sample["truth.flow"].numpy(),
                    sample["truth.valid"].numpy(),
                    flow,
                )
            )
    return found
