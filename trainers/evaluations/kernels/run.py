"""Kernels of an embedding and of flow: how well they are aligned on held-out samples, and what they look like."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from common_fate.datasets.show import spread
from common_fate.progress import progress
from common_fate.torch.sample import Sample
from trainers.data.split import Split
from trainers.data.transforms import Joint
from trainers.data.views import Side, Views, dataset_name, open_views
from trainers.evaluations.job import Job
from trainers.evaluations.kernels.evaluation import KernelsOptions
from trainers.evaluations.kernels.neurons import favourites, last_convolution
from trainers.evaluations.kernels.pictures import Seen, embeddings, kernels, neurons
from trainers.evaluations.result import ALL, Picture, Result, Row
from trainers.evaluations.start import load_start_model
from trainers.methods.similarity.kernels import embedding_kernel, flow_kernel, normalised_flow
from trainers.methods.similarity.loss import alignment, correlation
from trainers.methods.similarity.model import STRIDE, SimilarityNet
from trainers.methods.similarity.options import SimilarityOptions
from trainers.methods.similarity.samples import SimilarityTransform

SEED = 0  # of projections, and of what neurons' pictures begin with
NOTE = (
    "Alignment of the kernel of the embedding with that of flow (equation 3), and the correlation of their values, 0 "
    "by chance: means over samples with known flow, and, of the correlation, with flow that differs. All alike: an "
    "embedding that is the same everywhere. Of a network that classifies flow, the hidden layer is meant."
)


def run(job: Job) -> Result:
    """Measures the alignment of kernels on held-out samples, and draws embeddings, rows of kernels, and neurons.

    Raises:
        UserError: the weights or a view cannot be read, or no sample is left.
    """
    options: KernelsOptions = job.options
    loaded, method = load_start_model(job)
    net: SimilarityNet = loaded.to("cuda" if torch.cuda.is_available() else "cpu")  # type: ignore[assignment]
    rows = _compared(net, method, _views(job, SimilarityTransform(method, train=False)), options.samples)
    seen = list(_seen(net, method, _views(job, Squares(method)), options.pictured))
    title, variance = f"{job.experiment}, from {job.start}", float(net.log_variance.exp())
    pictures = [
        Picture("embeddings", embeddings(seen, title, SEED), "Embeddings, by a random projection, the same for all."),
        Picture(
            "kernels",
            kernels(seen[: (len(seen) + 1) // 2], title, variance),
            f"Which pixels are like one pixel: rows of both kernels. Sigma squared of flow's is {variance:.2g}.",
        ),
    ]
    if options.neurons:
        pictures.append(_neurons(net, options, title))
    return Result(rows, tuple(pictures), {"variance": variance}, NOTE)


class Squares:
    """Passes a sample on with the centre square of its frame and its flow, as high as frames are in training."""

    needs = ("image", "flow")

    def __init__(self, options: SimilarityOptions) -> None:
        transforms = options.transforms
        whole = replace(transforms, crop=transforms.shorter_side or transforms.crop)
        self._joint = Joint(whole, options.training.seed, train=False)

    def __call__(self, sample: Sample) -> Sample:
        return self._joint({name: sample[name] for name in ("key", "epoch", *self.needs)})


def _views(job: Job, transform: SimilarityTransform | Squares) -> Views:
    side: Side = "all" if job.side == "all" else "held out"
    split, needs = Split(job.validation_share), transform.needs
    return open_views(job.views, transform, split, side, needs=needs, reads=needs, cache=job.cache)


@torch.no_grad()
def _compared(net: SimilarityNet, method: SimilarityOptions, samples: Views, most: int) -> tuple[Row, Row]:
    """The alignment of the kernels beside that of a kernel of ones in place of the embedding's; and the correlation."""
    aligned, alike, related = [], [], []
    chosen = _spread(samples, most)
    for index in progress(chosen, len(chosen), "align"):
        sample = samples[index]
        if not sample["counted"].any():
            continue
        points, counted = (sample[name].to(net.log_variance.device) for name in ("points", "counted"))
        vectors = net.at(sample["image"][None].to(points.device), points)[0].T
        flow = normalised_flow(sample["flow"].to(points.device), method.loss.limit)
        moved = flow_kernel(flow, net.log_variance.exp())[None]
        kernel = embedding_kernel(vectors)[None]
        aligned.append(alignment(kernel, moved, counted[None]).item())
        alike.append(alignment(torch.ones_like(kernel), moved, counted[None]).item())
        related.append(correlation(kernel, moved, counted[None]).item())
    names = {dataset_name(view) for view, rows in zip(samples.views, samples.rows, strict=True) if len(rows)}
    dataset = names.pop() if len(names) == 1 else ALL
    known = [one for one in related if math.isfinite(one)]
    baselines = {"all alike": _mean(alike)}
    return (
        Row(dataset, "alignment", _mean(aligned), "", "higher", len(aligned), baselines=baselines),
        Row(dataset, "correlation", _mean(known), "", "higher", len(known)),
    )


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


@torch.no_grad()
def _seen(net: SimilarityNet, method: SimilarityOptions, samples: Views, most: int) -> Iterator[Seen]:
    """Some samples with their embedding, and their flow where that lies."""
    for index in _spread(samples, most):
        sample = samples[index]
        vectors = net.embed(sample["image"][None].to(net.log_variance.device))[0]
        yield Seen(
            sample["key"],
            sample["image"].permute(1, 2, 0).numpy(),
            sample["flow"].numpy(),
            sample["valid"].numpy(),
            vectors.permute(1, 2, 0).cpu().numpy(),
            normalised_flow(sample["flow"], method.loss.limit)[:, ::STRIDE, ::STRIDE].permute(1, 2, 0).numpy(),
            sample["valid"][::STRIDE, ::STRIDE].numpy(),
        )


def _spread(samples: Views, most: int) -> list[int]:
    return [index for rows in spread([len(samples)], most).values() for index in rows]


def _neurons(net: SimilarityNet, options: KernelsOptions, title: str) -> Picture:
    layer = last_convolution(net.encoder)
    width = net.encoder.layers[layer].channels
    channels = np.linspace(0, width - 1, min(options.neurons, width)).astype(int).tolist()
    found = favourites(net.encoder, layer, channels, options.steps, options.side, SEED).cpu().numpy()
    caption = f"Pictures that make channels of {layer} most active, found by gradient ascent from noise."
    return Picture("neurons", neurons(found, channels, title), caption)
