"""Named points of images, matched with warps of the same images, and with other images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from common_fate.errors import UserError
from common_fate.progress import progress
from trainers.data.transforms import generator
from trainers.data.warps import WarpOptions, warped_pair
from trainers.evaluations.job import Job
from trainers.evaluations.matching.evaluation import MatchingOptions
from trainers.evaluations.named_points.pictures import labels_sheet, matches_sheet
from trainers.evaluations.named_points.samples import Pointed, PointSamples, margin_of, measured_samples
from trainers.evaluations.named_points.vectors import Vectors, load_vectors, most_like
from trainers.evaluations.result import Picture, Result, Row

WIDTH = 70
"""Pixels: the width of the images of the published numbers."""
WARPED, OTHERS = "warped", "different"
KINDS = (OTHERS, WARPED)
STILL = "same place"
NOTE = (
    "Distances of points from where the vector most like theirs is, means over points. Different: points of an image, "
    "matched in another one, of another video where there are several. Warped: points of a warped image, matched in "
    f"another warp of the same image. At {WIDTH} px: as if images were {WIDTH} pixels wide, as in published numbers; "
    "else in pixels of the images as they are measured, {sizes}. Same place: the match is where the point is."
)
CAPTION = "Named points of the first image, and, in others, the pixels whose vectors are most like theirs."
LABELS_CAPTION = (
    "Vectors as colours, which mean the same in all images: of three dimensions, their direction; else their first "
    "three principal components. On the right, of three dimensions: the image's pixels at their direction, longitude "
    "from left to right, latitude from top to bottom."
)


@dataclass
class Distances:
    """What was measured of one kind of pairs: distances of matches, those of staying, and widths, all in pixels."""

    found: list[float] = field(default_factory=list)
    still: list[float] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)
    pairs: int = 0

    def add(self, found: Tensor, still: Tensor, true: Tensor, width: int) -> None:
        """Adds a pair: matches, places in the first image, and true places in the second, each `(P, 2)`."""
        self.found += (found - true).norm(dim=1).tolist()
        self.still += (still - true).norm(dim=1).tolist()
        self.widths += [width] * len(true)
        self.pairs += bool(len(true))


def run(job: Job) -> Result:
    """Measures how far matches of named points are off.

    Raises:
        UserError: the weights or a view cannot be read, or no dataset has two images with points.
    """
    options: MatchingOptions = job.options
    vectors = load_vectors(job, options.vectors, options.stride)
    margin = margin_of(job.method_options)
    rows: list[Row] = []
    notes, pictures, sizes = [], [], set[str]()
    about: dict[str, dict[str, int]] = {}
    for samples in measured_samples(job, cut=False):
        measured, shown, about[samples.title] = measured_of(samples, vectors, options, margin, job.machine.workers)
        rows += rows_of(samples.title, measured)
        sizes.update(f"{one.image.shape[2]}x{one.image.shape[1]}" for one in shown)
        notes.append(_counted(samples.title, about[samples.title]))
        if shown[: options.pictured]:
            pictures += _pictures(job, samples.title, vectors, shown[: options.pictured])
    said = NOTE.replace("{sizes}", ", ".join(sorted(sizes)))
    return Result(tuple(rows), tuple(pictures), {"counts": about}, "\n".join([said, *notes]))


def measured_of(
    samples: PointSamples, vectors: Vectors, options: MatchingOptions, margin: int, workers: int
) -> tuple[dict[str, Distances], list[Pointed], dict[str, int]]:
    """Returns the distances of both kinds, the images that were matched first, and what was counted.

    Raises:
        UserError: fewer than two images have two visible points.
    """
    counts = {"images": 0, "of fewer than two visible points": 0, "folded": 0}
    names = samples.names
    measured = {kind: Distances() for kind in KINDS}
    order = generator(options.seed, 0, samples.title, "pairs").permutation(len(samples))
    shown: list[Pointed] = []
    before: Pointed | None = None
    several = len({key.rpartition("-")[0] for key in samples.keys}) > 1
    for whole in progress(_enough(samples, order, options.pairs, margin, counts, workers), options.pairs, "match"):
        one = whole.cut(margin)
        _match_warped(whole, vectors, options, margin, measured[WARPED], counts)
        if before is not None and not (several and before.video == one.video):
            _match(before, one, vectors, measured[OTHERS])
        before = one
        if len(shown) < max(options.pictured, 1):
            shown.append(one)
    if counts["images"] < 2:
        raise UserError(
            f"{samples.title}: {counts['images']} of {len(samples)} images has two visible points of {len(names)}: "
            "matching needs two images"
        )
    return measured, shown, counts


def rows_of(dataset: str, measured: dict[str, Distances]) -> list[Row]:
    """Returns the rows of a dataset: between different images first, at the published width first."""
    rows = []
    for kind, distances in measured.items():
        for scaled in (True, False):
            factors = [WIDTH / width if scaled else 1.0 for width in distances.widths]
            found, still = (_mean(of, factors) for of in (distances.found, distances.still))
            metric = f"{kind}, at {WIDTH} px" if scaled else kind
            rows.append(Row(dataset, metric, found, "px", "lower", distances.pairs, "", {STILL: still}))
    return rows


def _enough(
    samples: PointSamples, order: np.ndarray, most: int, margin: int, counts: dict[str, int], workers: int
) -> Iterator[Pointed]:
    """Samples with two visible points, until there are enough."""
    for one in samples.read(order.tolist(), workers):
        if one.cut(margin).visible.sum() < 2:
            counts["of fewer than two visible points"] += 1
            continue
        counts["images"] += 1
        yield one
        if counts["images"] >= most:
            return


def _match(one: Pointed, other: Pointed, vectors: Vectors, into: Distances) -> None:
    both = one.visible & other.visible
    queries = vectors.at(vectors.of(one.image), one.places[both])
    found = matches(queries, other.image, vectors)
    into.add(found, one.places[both], other.places[both], other.image.shape[2])


def _match_warped(
    whole: Pointed, vectors: Vectors, options: MatchingOptions, margin: int, into: Distances, counts: dict[str, int]
) -> None:
    warp: WarpOptions = replace(options.warp, margin=margin)
    pair = warped_pair(whole.image.numpy(), warp, generator(options.seed, 0, whole.key, "match"))
    counts["folded"] += pair.folded
    first, second, inside = (torch.from_numpy(of) for of in pair.places(whole.places.numpy()))
    both = whole.visible & inside
    images = torch.from_numpy(pair.first), torch.from_numpy(pair.second)
    queries = vectors.at(vectors.of(images[0]), first[both])
    into.add(matches(queries, images[1], vectors), first[both], second[both], images[1].shape[2])


def matches(queries: Tensor, image: Tensor, vectors: Vectors) -> Tensor:
    """Returns the pixels `(P, 2)` of an image `(3, H, W)` that are most like vectors `(P, L)`."""
    size = (image.shape[1], image.shape[2])
    return most_like(queries, vectors.everywhere(vectors.of(image), size))


def _pictures(job: Job, dataset: str, vectors: Vectors, shown: Sequence[Pointed]) -> list[Picture]:
    first, *others = shown
    queries = vectors.at(vectors.of(first.image), first.places)
    found = [matches(queries, one.image, vectors) for one in others]
    drawn = [(one.key, one.image, places) for one, places in zip(others, found, strict=True)]
    title = f"{job.experiment}, from {job.start}: {dataset}"
    return [
        Picture(f"matches, {dataset}", matches_sheet(title, first, drawn), CAPTION),
        Picture(f"labels, {dataset}", labels_sheet(title, shown, vectors), LABELS_CAPTION),
    ]


def _counted(dataset: str, counts: dict[str, int]) -> str:
    few, folded = counts["of fewer than two visible points"], counts["folded"]
    more = f"; {few:,} with fewer than two visible points were left out" if few else ""
    weaker = f"; {folded:,} warps folded, and were weakened until they did not" if folded else ""
    return f"{dataset}: {counts['images']:,} images{more}{weaker}."


def _mean(values: Sequence[float], factors: Sequence[float]) -> float | None:
    return float(np.mean(np.multiply(values, factors))) if len(values) else None
