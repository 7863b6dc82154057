"""How well a model propagates motion: end-point error beside what needs no learning, on the same pixels."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from common_fate.datasets.show import spread
from common_fate.errors import ShardError, UserError
from common_fate.progress import progress
from common_fate.remote.cache import Cache
from common_fate.shards.column import Shard
from common_fate.shards.files import write_atomic
from common_fate.torch.dataset import ShardDataset
from common_fate.torch.sample import Sample
from trainers.data.views import Side, Views, open_views
from trainers.evaluations.propagation.gallery import Example, gallery
from trainers.methods.cmp.loss import expected_flow
from trainers.methods.cmp.model import CMPNet, load_model
from trainers.methods.cmp.options import CMPOptions
from trainers.methods.cmp.samples import CMPTransform
from trainers.metrics.flow import endpoint_errors, mean_error, nearest_guidance, no_motion
from trainers.report.results import ALL, ESTIMATED, EXACT, FlowRow, headline, with_improvements

VIEWS = "shards"  # the folder of a dataset's views
TRUTH = "truth"  # the column beside the views that has the exact flow
BATCH = 8
PICTURED = 6
MEMBERS = ("image", "guidance", "flow", "valid")  # of a sample, in the order of `Example`
SIDES = ("held out", "all")


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


def evaluate_model(
    model: Path,
    views: Sequence[str | Path],
    to: Path,
    pictures: Path | None,
    side: str,
    cache: Cache | None = None,
) -> None:
    """Evaluates a saved model and writes a `flow.json`: `rows`, and the model's `options`.

    Args:
        views: `results/DATASET/shards/cmp` each, or such a folder's address. Where `results/DATASET/truth`, on this
            machine, has the exact flow, the model is also measured with guidance and target from that.
        pictures: a picture of a few samples to write, as PNG.
        side: `"held out"`, by the model's own options, or `"all"`: for videos that it was not trained on.

    Raises:
        UserError: the model or a view cannot be read, or no sample is left to measure.
    """
    if side not in SIDES:
        raise UserError(f"--side {side}: should be one of {', '.join(map(repr, SIDES))}")
    net, options = load_model(model)
    net.to("cuda" if torch.cuda.is_available() else "cpu")
    parts = open_parts(options, views, "all" if side == "all" else "held out", cache)
    rows = evaluate(net, options, parts)
    facts = {"side": side, "options": asdict(options), "rows": [with_improvements(row) for row in rows]}
    if pictures:
        drawn = examples(net, options, parts, PICTURED)
        write_atomic(
            pictures, gallery(f"{model.parent.name}: {len(drawn)} of {headline(rows).samples:,} samples", drawn)
        )
    write_atomic(to, (json.dumps(facts, indent=1) + "\n").encode())


def open_parts(options: CMPOptions, views: Sequence[str | Path], side: Side, cache: Cache | None = None) -> list[Part]:
    """The samples to measure on, not varied: each view's, and again with the exact flow where that is known.

    Raises:
        UserError: a view cannot be read, or no sample is left.
    """
    transform = CMPTransform(options, train=False)
    every = open_views(views, transform, options.data, side, needs=transform.needs, cache=cache)
    parts = []
    for view, rows in zip(every.views, every.rows, strict=True):
        if not len(rows):
            continue
        samples = Views([view], [rows])
        if view.folder.cache:
            parts.append(Part(_dataset(view.folder.name), ESTIMATED, samples))
            continue
        dataset = view.folder.manifest.resolve().parent.parent
        parts.append(Part(dataset.name, ESTIMATED, samples))
        exact = ExactFlow(dataset / TRUTH, transform)
        known = np.array([key in exact for key in samples.keys])
        if known.any():
            parts.append(Part(dataset.name, EXACT, Views([ShardDataset(view.folder.manifest, exact)], [rows[known]])))
    return parts


def _dataset(address: str) -> str:
    """What the dataset at an address is called: as its folder is, or the one that `shards/VIEW` are in."""
    parts = PurePosixPath(address).parts
    return parts[-3] if parts[-2] == VIEWS else parts[-1]


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


def evaluate(net: CMPNet, options: CMPOptions, parts: Sequence[Part]) -> list[FlowRow]:
    """A row for each part; then, for each kind of flow that several datasets have, one of all of them together.

    Raises:
        UserError: a sample cannot be read, or the flow of a whole part is not valid anywhere.
    """
    measured = [(part, measure(net, options, part)) for part in parts]
    rows = [_row(part.dataset, part.flow, these) for part, these in measured]
    for flow in (ESTIMATED, EXACT):
        same = [these for part, these in measured if part.flow == flow]
        if len(same) > 1:
            rows.append(_row(ALL, flow, _together(same)))
    return rows


@torch.no_grad()
def measure(net: CMPNet, options: CMPOptions, part: Part) -> Measured:
    """The errors of each sample; the network is put into evaluation mode, and used where it is."""
    net.eval()
    keys: list[str] = []
    points: list[int] = []
    errors: list[Tensor] = []
    batches = DataLoader(part.samples, BATCH)
    for batch in progress(batches, len(batches), f"evaluate {part.dataset}, {part.flow} flow (batches)"):
        guidance, flow, valid = (batch[name].to(_device(net)) for name in ("guidance", "flow", "valid"))
        predictions = predict(net, options, batch["image"], guidance), no_motion(guidance), nearest_guidance(guidance)
        errors.append(torch.stack([endpoint_errors(guess, flow, valid) for guess in predictions], dim=1).cpu())
        keys += batch["key"]
        points += guidance[:, 2].sum((1, 2)).int().tolist()
    return Measured(keys, points, torch.cat(errors))


@torch.no_grad()
def predict(net: CMPNet, options: CMPOptions, image: Tensor, guidance: Tensor) -> Tensor:
    """The flow `(B, 2, H, W)` in pixels for `image (B, 3, H, W)` and `guidance (B, 3, H, W)`, on the net's device."""
    size = image.shape[-2], image.shape[-1]
    return expected_flow(net(image.to(_device(net)), guidance.to(_device(net))), size, options.loss)


def examples(net: CMPNet, options: CMPOptions, parts: Sequence[Part], count: int) -> list[Example]:
    """Some samples, spread evenly over the datasets, with what is predicted for them; of the exact flow where known."""
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


def _device(net: CMPNet) -> torch.device:
    return next(net.parameters()).device


def _row(dataset: str, flow: str, measured: Measured) -> FlowRow:
    means = [mean for errors in measured.errors.unbind(1) if (mean := mean_error(errors)) is not None]
    if not means:
        raise UserError(f"{dataset}: the {flow} flow of its {len(measured.keys)} samples is not valid anywhere")
    videos = {key.rpartition("-")[0] for key in measured.keys}
    points = sum(measured.points) / len(measured.points)
    return FlowRow(dataset, flow, len(measured.keys), len(videos), points, *means)


def _together(several: Sequence[Measured]) -> Measured:
    return Measured(
        [key for one in several for key in one.keys],
        [count for one in several for count in one.points],
        torch.cat([one.errors for one in several]),
    )
