"""How far a network's flow is from the exact one, beside what needs no learning, on the same pixels."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from torch.utils.data import DataLoader

from common_fate.datasets.show import spread
from common_fate.errors import UserError
from common_fate.torch.sample import Sample
from pipeline.columns.flow.dis import dis
from pipeline.columns.flow.estimator_families import REFINEMENT, SCALES, check_scales, finished
from pipeline.columns.flow.networks.inference import estimator_of
from pipeline.scores.flow.errors import OUTLIERS, PARTS, total_error
from pipeline.scores.flow.gallery import gallery
from pipeline.scores.flow.measure import Measured, Pair, measure, of_frames
from trainers.data.split import Split
from trainers.data.views import Side, Views, dataset_name, open_views
from trainers.engine.loaders import one_line_errors
from trainers.evaluations.job import Job
from trainers.evaluations.result import ALL, Picture, Result, Row
from trainers.evaluations.start import load_start_model
from trainers.methods.selflow.samples import FRAMES
from trainers.registry import METHODS

NETWORK = "network"
CAPTION = (
    "The image, the exact motion and the estimated one on the Middlebury colour wheel, with the same full colour in a "
    "row, and how far each pixel is off."
)
NOTE = (
    "End-point errors (epe) in pixels, means over all pixels whose motion is known; Fl, the share of them that are off "
    "by 3 px and by 5 % of their motion, as KITTI has it. s0-10, s10-40, s40+: pixels that move so far. Occluded: as "
    "the data set says, where it does. The network runs at `scales` sizes of the frames, and its flow is refined as "
    "often as `refinement` says. DIS is OpenCV's; "
    "no motion says that nothing moves. All on the same pixels."
)


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
    net, method_options = load_start_model(job)
    created = METHODS[job.method].flow_network(method_options)  # type: ignore[misc]
    check_scales(f"{job.experiment}: {created['name']}", job.options.scales, created["frames"])
    scales = job.options.scales or SCALES.get(created["name"], 1)
    steps = REFINEMENT["network"] if job.options.refinement is None else job.options.refinement
    estimate = finished(estimator_of(net, job.experiment), scales, steps)
    estimators = {NETWORK: of_frames(estimate, created["frames"])}
    estimators |= {f"DIS {preset}": of_frames(dis(preset=preset), 2) for preset in job.options.dis}
    split = Split(job.validation_share)
    side: Side = "all" if job.side == "all" else "held out"
    opened = open_views(job.views, Members(), split, side, needs=Members.needs, cache=job.cache)
    parts = [
        (dataset_name(view), Views([view], [rows]))
        for view, rows in zip(opened.views, opened.rows, strict=True)
        if len(rows)
    ]
    shown = spread([len(samples) for _, samples in parts], job.options.pictured)
    measured = []
    for place, (name, samples) in enumerate(parts):
        pairs = pairs_of(samples, job.machine.workers)
        measured.append(measure(name, pairs, len(samples), estimators, shown.get(place, ())))
        if not measured[-1].errors[NETWORK][PARTS[0]].count:
            raise UserError(f"{name}: the exact flow of its {len(samples)} samples is not valid anywhere")
    examples = [example for one in measured for example in one.examples]
    count = sum(one.pairs for one in measured)
    pictures = (
        (Picture("samples", gallery(f"{job.experiment}: {len(examples)} of {count:,} samples", examples), CAPTION),)
        if examples
        else ()
    )
    times = "; ".join(
        f"{one.dataset}: {', '.join(f'{name} {1000 * seconds:.0f}' for name, seconds in one.seconds.items())}"
        for one in measured
    )
    about = {"seconds_a_pair": {one.dataset: dict(one.seconds) for one in measured}}
    return Result(
        rows_of(measured), pictures, about, f"{NOTE}\nMilliseconds a pair, one thread of a CPU or a GPU: {times}."
    )


def pairs_of(samples: Views, workers: int) -> Iterator[Pair]:
    """Yields all samples of a view of `flow` as pairs whose motion is known, in their order."""
    for sample in one_line_errors(iter(DataLoader(samples, batch_size=None, num_workers=workers))):
        frames = partial(np.stack, [sample[name].numpy() for name in FRAMES])
        hidden = sample["truth.occlusion"].numpy() if "truth.occlusion" in sample else None
        truth, valid = sample["truth.flow"].numpy(), sample["truth.valid"].numpy()
        yield Pair(sample["key"], frames, truth, valid, hidden)


def rows_of(measured: Sequence[Measured]) -> tuple[Row, ...]:
    """Returns the rows of the report: all datasets together first, where there are several."""
    rows = []
    if len(measured) > 1:
        together = {name: total_error(one.errors[name] for one in measured) for name in measured[0].errors}
        measured = [Measured(ALL, sum(one.pairs for one in measured), together), *measured]
    for one in measured:
        for part in PARTS:
            if one.errors[NETWORK][part].count:
                subset = "" if part == PARTS[0] else part
                rows.append(_row(one, part, Row(one.dataset, "epe", None, "px", "lower", one.pairs, subset)))
        rows.append(_row(one, OUTLIERS, Row(one.dataset, "Fl", None, "%", "lower", one.pairs), 100))
    return tuple(rows)


def _row(one: Measured, part: str, row: Row, scale: float = 1) -> Row:
    """The row with the network's value, and the others' as baselines."""
    means = {name: errors[part].value for name, errors in one.errors.items()}
    values = {name: None if mean is None else scale * mean for name, mean in means.items()}
    return replace(row, value=values.pop(NETWORK), baselines=values)
