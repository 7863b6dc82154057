"""Named points found by one vector each, which is learnt from images with labels, and in others is looked for."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from common_fate.datasets.show import spread
from common_fate.errors import UserError
from common_fate.progress import progress
from trainers.evaluations.centres.evaluation import CentresOptions
from trainers.evaluations.job import Job
from trainers.evaluations.named_points.learnt import Labelled, labelled, learnt_vectors, mean_vectors
from trainers.evaluations.named_points.pictures import Dots, colour_of, picture_of, rows_of_tiles, sheet, with_dots
from trainers.evaluations.named_points.samples import (
    Pointed,
    PointSamples,
    labelled_and_measured,
    same_names,
)
from trainers.evaluations.named_points.vectors import Vectors, load_vectors, most_like
from trainers.evaluations.result import Picture, Result, Row

LEARNT, MEANS, STILL = "error", "error of mean vectors", "mean place"
NOTE = (
    "Distances of points from where they are found, in percent of the images' width, means over points. Error: each "
    "point has a vector, learnt with the logarithmic loss from {images:,} images, whose embedding stays as it is; of "
    "mean vectors: its vector is the mean of those at the point in these images. Mean place: where the point is in "
    "these images on average."
)
CAPTION = "Images that nothing was learnt from: points as rings, and where their vectors are found as dots."


def run(job: Job) -> Result:
    """Measures how well points are found by a vector each.

    Raises:
        UserError: the weights or a view cannot be read, or no image to learn from or to measure on has points.
    """
    options: CentresOptions = job.options
    vectors = load_vectors(job, options.vectors, options.stride)
    labels, measured = labelled_and_measured(job, options.hold_out, options.labels_from)
    names = same_names([*labels, *measured])
    images = _labelled(labels, vectors, options, job.machine.workers)
    queries = {LEARNT: learnt_vectors(images, options.iterations), MEANS: mean_vectors(images)}
    known = torch.stack(images.visible).any(dim=0)
    rows: list[Row] = []
    pictures, without = [], []
    for samples in measured:
        errors, count = errors_of(samples, vectors, queries, mean_places(images), known, job.machine.workers)
        if not count:
            raise UserError(
                f"{samples.title}: none of {len(samples)} images to measure on has a visible point that is visible in "
                "an image to learn from, too"
            )
        rows += rows_of(samples.title, names, errors, count)
        if count < len(samples):
            without.append(f"{samples.title}: {len(samples) - count:,} images without such a point were left out.")
        if options.pictured:
            pictures.append(_picture(job, samples, vectors, queries[LEARNT], options.pictured))
    said = [NOTE.format(images=len(images)), *without]
    if never := [name for name, there in zip(names, known.tolist(), strict=True) if not there]:
        said.append(f"Visible in no image to learn from, and not counted: {', '.join(never)}.")
    if images.left_out:
        said.append(f"For {images.left_out:,} more images there was no room in memory_gb.")
    about = {"images": len(images), "left_out": images.left_out, "points": list(names)}
    return Result(tuple(rows), tuple(pictures), about, "\n".join(said))


def errors_of(
    samples: PointSamples,
    vectors: Vectors,
    queries: Mapping[str, Tensor],
    still: Tensor,
    known: Tensor,
    workers: int,
) -> tuple[dict[str, list[tuple[int, float]]], int]:
    """Returns by what found them the points' numbers and errors, as shares of the width, and of how many images.

    Args:
        known: `(P,)`, bool: which points can be looked for.
    """
    errors: dict[str, list[tuple[int, float]]] = {name: [] for name in (*queries, STILL)}
    count = 0
    for one in progress(samples.read(range(len(samples)), workers), len(samples), "find"):
        seen = one.visible & known
        if not seen.any():
            continue
        count += 1
        size = (one.image.shape[1], one.image.shape[2])
        everywhere = vectors.everywhere(vectors.of(one.image), size)
        found = {name: most_like(of.to(everywhere), everywhere) for name, of in queries.items()} | {STILL: still}
        for name, places in found.items():
            distances = (places - one.places).norm(dim=1) / size[1]
            errors[name] += [(int(point), float(distances[point])) for point in torch.nonzero(seen)[:, 0]]
    return errors, count


def rows_of(
    dataset: str, names: Sequence[str], errors: Mapping[str, Sequence[tuple[int, float]]], count: int
) -> list[Row]:
    """Returns the rows of a dataset: of all points, and of each point by itself."""

    def mean(of: str, point: int | None = None) -> float | None:
        values = [value for number, value in errors[of] if point in (None, number)]
        return 100 * float(np.mean(values)) if values else None

    rows = [Row(dataset, way, mean(way), "%", "lower", count, "", {STILL: mean(STILL)}) for way in (LEARNT, MEANS)]
    return rows + [
        Row(dataset, LEARNT, mean(LEARNT, number), "%", "lower", count, name, {STILL: mean(STILL, number)})
        for number, name in enumerate(names)
    ]


def mean_places(images: Labelled) -> Tensor:
    """Returns where each point is on average, over the images where it is visible, `(P, 2)`."""
    places, visible = torch.stack(images.places), torch.stack(images.visible)[..., None]
    return (places * visible).sum(dim=0) / visible.sum(dim=0).clamp(min=1)


def _labelled(labels: Sequence[PointSamples], vectors: Vectors, options: CentresOptions, workers: int) -> Labelled:
    def every() -> Iterator[Pointed]:
        for samples in labels:
            rows = spread([len(samples)], options.frames).get(0, [])
            yield from progress(samples.read(rows, workers), len(rows), "learn from")

    images = labelled(every(), vectors, options.memory_gb)
    if not len(images):
        raise UserError(f"{', '.join(one.title for one in labels)}: no image to learn from has a visible point")
    return images


def _picture(job: Job, samples: PointSamples, vectors: Vectors, queries: Tensor, pictured: int) -> Picture:
    tiles = []
    for one in samples.read(spread([len(samples)], pictured).get(0, []), 0):
        size = (one.image.shape[1], one.image.shape[2])
        everywhere = vectors.everywhere(vectors.of(one.image), size)
        found = most_like(queries.to(everywhere), everywhere).numpy()
        seen = np.flatnonzero(one.visible.numpy())
        colours = [colour_of(int(number)) for number in seen]
        true = Dots(one.places.numpy()[seen], colours, hollow=True)
        tiles.append((with_dots(picture_of(one.image), true, Dots(found[seen], colours)), one.key))
    title = f"{job.experiment}, from {job.start}: {samples.title}"
    return Picture(f"centres, {samples.title}", sheet(title, rows_of_tiles(tiles, 4)), CAPTION)
