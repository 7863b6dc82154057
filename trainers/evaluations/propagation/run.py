"""How well a model propagates motion: end-point error beside what needs no learning, on the same pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from common_fate.datasets.show import spread
from common_fate.errors import ShardError, UserError
from common_fate.progress import progress
from common_fate.remote.cache import Cache
from common_fate.shards.column import Shard
from common_fate.torch.dataset import ShardDataset
from common_fate.torch.sample import Sample
from trainers.data.split import Split
from trainers.data.views import Side, Views, dataset_name, open_views
from trainers.engine.loaders import one_line_errors
from trainers.evaluations.job import Job
from trainers.evaluations.propagation.gallery import Example, gallery
from trainers.evaluations.result import ALL, Picture, Result, Row
from trainers.evaluations.start import load_start_model
from trainers.methods.cmp.loss import expected_flow
from trainers.methods.cmp.options import CMPOptions
from trainers.methods.cmp.samples import CMPTransform
from trainers.metrics.flow import endpoint_errors, mean_error, nearest_guidance, no_motion

ESTIMATED, EXACT = "estimated", "exact"
TRUTH = "truth"  # the column beside the views that has the exact flow
BATCH = 8
MEMBERS = ("image", "guidance", "flow", "valid")  # of a sample, in the order of `Example`
CAPTION = (
    "The image with the guidance that the model is told, the motion that it predicts from both, the motion that it "
    "should have predicted, and the motion of the nearest guidance point, on the Middlebury colour wheel."
)
NOTE = (
    "End-point errors (epe) in pixels, means over all valid pixels. No motion says that nothing moves; nearest "
    "guidance point, that each pixel moves as the nearest guidance point does. All are told the same guidance and "
    "measured on the same pixels. Estimated flow: guidance and target are the flow that the dataset's estimator made; "
    "exact flow: the flow that its source knows."
)


@dataclass(frozen=True)
class Part:
    """Samples of one dataset, with guidance and target from one kind of flow."""

    dataset: str
    flow: str  # estimated or exact
    samples: Views


@dataclass(frozen=True)
class Measured:
    """Of each of N samples its key, how many points guide it, and its errors.

    `errors` `(N, 3, 2)`: the `endpoint_errors` of the model, of no motion, and of the nearest guidance point.
    """

    keys: list[str]
    points: list[int]
    errors: Tensor


@dataclass(frozen=True)
class FlowError:
    """How far flow is from its target over some samples: mean end-point errors, pixels, of the model and baselines."""

    dataset: str  # or `ALL`
    flow: str  # estimated or exact
    samples: int
    videos: int
    points: float  # of guidance, mean over samples
    epe: float
    epe_no_motion: float
    epe_nearest: float

    @property
    def subset(self) -> str:
        """What the row is called beside its dataset."""
        return f"{self.flow} flow"

    def row(self) -> Row:
        """Returns the error as a row of the report."""
        baselines = {"no motion": self.epe_no_motion, "nearest guidance point": self.epe_nearest}
        return Row(self.dataset, "epe", self.epe, "px", "lower", self.samples, self.subset, baselines)


def run(job: Job) -> Result:
    """Measures a network on views, with the flow of their column and, where it is known, with the exact flow.

    The exact flow is that of `results/DATASET/truth`, beside the views on this machine.

    Raises:
        UserError: the model or a view cannot be read, or no sample is left to measure.
    """
    net, options = load_start_model(job)
    net.to("cuda" if torch.cuda.is_available() else "cpu")
    parts = open_parts(options, job.views, "all" if job.side == "all" else "held out", job.validation_share, job.cache)
    errors = evaluate(net, options, parts, job.machine.workers)
    pictures = []
    if shown := examples(net, options, parts, job.options.pictured):
        title = f"{job.experiment}: {len(shown)} of {errors[0].samples:,} samples"
        pictures.append(Picture("samples", gallery(title, shown), CAPTION))
    points = ", ".join(f"{error.points:.1f} ({error.dataset}, {error.subset})" for error in errors)
    note = f"{NOTE}\nGuidance points a sample, mean: {points}."
    return Result(tuple(error.row() for error in errors), tuple(pictures), {"parts": list(map(_about, errors))}, note)


def open_parts(
    options: CMPOptions,
    views: Sequence[str | Path],
    side: Side,
    validation_share: float = 0.0,
    cache: Cache | None = None,
) -> list[Part]:
    """Opens the samples to measure on, not varied: each view's, and again with the exact flow where that is known.

    Raises:
        UserError: a view cannot be read, or no sample is left.
    """
    transform = CMPTransform(options, train=False)
    every = open_views(views, transform, Split(validation_share), side, needs=transform.needs, cache=cache)
    parts = []
    for view, rows in zip(every.views, every.rows, strict=True):
        if not len(rows):
            continue
        samples = Views([view], [rows])
        if view.folder.cache:
            parts.append(Part(dataset_name(view), ESTIMATED, samples))
            continue
        dataset = view.folder.manifest.resolve().parent.parent
        parts.append(Part(dataset.name, ESTIMATED, samples))
        exact = ExactFlow(dataset / TRUTH, transform)
        known = np.array([key in exact for key in samples.keys])
        if known.any():
            parts.append(Part(dataset.name, EXACT, Views([ShardDataset(view.folder.manifest, exact)], [rows[known]])))
    return parts


class ExactFlow:
    """Puts the exact flow in the place of a sample's own, and passes the sample on to a transform.

    Args:
        column: the folder of the `truth` column; where there is none, no sample's flow is known.

    Raises:
        ShardError: a shard of the column is damaged.
    """

    def __init__(self, column: Path, transform: CMPTransform) -> None:
        self._transform = transform
        tars = sorted(tar for tar in column.glob("*.tar") if tar.stem.isdecimal())
        self._shards = {key: shard for shard in map(Shard, tars) for key in shard}

    def __contains__(self, key: str) -> bool:
        return key in self._shards

    def __call__(self, sample: Sample) -> Sample:
        key = sample["key"]
        with self._shards[key] as shard:
            members = shard[key]
        try:
            # What is not known is not a number: the transform keeps it out of whatever it interpolates.
            flow = np.where(members["valid.png"] > 0, members["flow.b2"], np.float32(np.nan))
        except (KeyError, ValueError) as error:
            raise ShardError(f"{shard.path}: {key}: its exact flow cannot be read ({error})") from error
        return self._transform(sample | {"flow": torch.from_numpy(flow)})


def evaluate(net: nn.Module, options: CMPOptions, parts: Sequence[Part], workers: int = 0) -> list[FlowError]:
    """Measures each part and, for each kind of flow that several datasets have, all of them together.

    Returns:
        First those on estimated flow; of each kind the one over all datasets first, where there are several.

    Raises:
        UserError: a sample cannot be read, or the flow of a whole part is not valid anywhere.
    """
    measured = [(part, measure(net, options, part, workers)) for part in parts]
    found = []
    for flow in (ESTIMATED, EXACT):
        same = [(part.dataset, these) for part, these in measured if part.flow == flow]
        if len(same) > 1:
            found.append(_error(ALL, flow, _together([these for _, these in same])))
        found += [_error(dataset, flow, these) for dataset, these in same]
    return found


@torch.no_grad()
def measure(net: nn.Module, options: CMPOptions, part: Part, workers: int = 0) -> Measured:
    """Measures the errors of each sample; puts the network into evaluation mode, and leaves it on its device."""
    net.eval()
    keys: list[str] = []
    points: list[int] = []
    errors: list[Tensor] = []
    batches = DataLoader(part.samples, BATCH, num_workers=workers)
    for batch in progress(
        one_line_errors(iter(batches)), len(batches), f"evaluate {part.dataset}, {part.flow} flow (batches)"
    ):
        guidance, flow, valid = (batch[name].to(_device(net)) for name in ("guidance", "flow", "valid"))
        predictions = predict(net, options, batch["image"], guidance), no_motion(guidance), nearest_guidance(guidance)
        errors.append(torch.stack([endpoint_errors(guess, flow, valid) for guess in predictions], dim=1).cpu())
        keys += batch["key"]
        points += guidance[:, 2].sum((1, 2)).int().tolist()
    return Measured(keys, points, torch.cat(errors))


@torch.no_grad()
def predict(net: nn.Module, options: CMPOptions, image: Tensor, guidance: Tensor) -> Tensor:
    """Predicts flow `(B, 2, H, W)` in pixels, on the net's device.

    `image (B, 3, H, W)` and `guidance (B, 3, H, W)` may lie on any device.
    """
    size = image.shape[-2], image.shape[-1]
    return expected_flow(net(image.to(_device(net)), guidance.to(_device(net))), size, options.loss)


def examples(net: nn.Module, options: CMPOptions, parts: Sequence[Part], count: int) -> list[Example]:
    """Returns some samples, spread evenly over the datasets, with what is predicted for them.

    Where a dataset's exact flow is known, its samples show that.
    """
    net.eval()
    shown = list({part.dataset: part for part in parts}.values())  # the last part of a dataset is the exact one
    found = []
    for number, rows in spread([len(part.samples) for part in shown], count).items():
        for row in rows:
            sample = shown[number].samples[row]
            image, guidance = sample["image"][None], sample["guidance"][None]
            flows = predict(net, options, image, guidance).cpu(), nearest_guidance(guidance)
            errors = [mean_error(endpoint_errors(flow, sample["flow"][None], sample["valid"][None])) for flow in flows]
            arrays = (tensor.numpy() for tensor in (*(sample[name] for name in MEMBERS), *(flow[0] for flow in flows)))
            found.append(Example(sample["key"], shown[number].flow, *arrays, *errors))
    return found


def _device(net: nn.Module) -> torch.device:
    return next(net.parameters()).device


def _error(dataset: str, flow: str, measured: Measured) -> FlowError:
    means = [mean for errors in measured.errors.unbind(1) if (mean := mean_error(errors)) is not None]
    if not means:
        raise UserError(f"{dataset}: the {flow} flow of its {len(measured.keys)} samples is not valid anywhere")
    videos = {key.rpartition("-")[0] for key in measured.keys}
    points = sum(measured.points) / len(measured.points)
    return FlowError(dataset, flow, len(measured.keys), len(videos), points, *means)


def _about(error: FlowError) -> Mapping[str, Any]:
    return {
        "dataset": error.dataset,
        "subset": error.subset,
        "videos": error.videos,
        "guidance_points": round(error.points, 3),
    }


def _together(several: Sequence[Measured]) -> Measured:
    return Measured(
        [key for one in several for key in one.keys],
        [count for one in several for count in one.points],
        torch.cat([one.errors for one in several]),
    )
