"""Left points, whose mirrored vectors are looked for in their image, and should be found at the right points."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from common_fate.datasets.show import spread
from common_fate.errors import UserError
from common_fate.progress import progress
from pipeline.columns.landmarks import mirrored_pairs
from trainers.evaluations.job import Job
from trainers.evaluations.named_points.pictures import labels_sheet
from trainers.evaluations.named_points.samples import Pointed, PointSamples, labelled_and_measured, same_names
from trainers.evaluations.named_points.vectors import Vectors, load_vectors, most_like
from trainers.evaluations.result import Picture, Result, Row
from trainers.evaluations.symmetry.evaluation import SymmetryOptions

WIDTH = 70
"""Pixels: the width of the images of the published numbers."""
AXIS, PLANE, AS_IT_IS, PLACE = "first axis", "estimated plane", "not mirrored", "mirrored place"
NOTE = (
    "Distances of right points from where the mirrored vectors of the left ones are found in the same image, means "
    "over pairs of points. First axis: mirrored by the sign of the first axis of vectors, as an embedding that was "
    "learnt with bilateral symmetry has it. Estimated plane: mirrored by the plane through the origin that takes left "
    "vectors nearest to right ones in {images:,} other images. Not mirrored: the left vector itself. Mirrored place: "
    f"no vector, the pixel across the middle column. At {WIDTH} px: as if images were {WIDTH} pixels wide; else in "
    "pixels of the images."
)
CAPTION = (
    "Images with the places where the first axis of their vectors is 0 in green, their vectors as colours, and, of "
    "three dimensions, their pixels on the sphere: longitude from left to right, latitude from top to bottom."
)

Pairs = Sequence[tuple[int, int]]
Errors = dict[str, list[tuple[int, float, float]]]
"""By way: the pair's number, the distance in pixels, and the image's width."""


def run(job: Job) -> Result:
    """Measures how far from the right points the mirrored vectors of left points are found.

    Raises:
        UserError: the weights or a view cannot be read, no points are called left and right, or in no image two of
            these are visible.
    """
    options: SymmetryOptions = job.options
    vectors = load_vectors(job, options.vectors, options.stride)
    labels, measured = labelled_and_measured(job, options.hold_out, options.labels_from)
    names = same_names([*labels, *measured])
    pairs = mirrored_pairs(names)
    if not pairs:
        raise UserError(
            f"{measured[0].title}: no two of its points are called left and right ({', '.join(names[:6])}): symmetry "
            "is measured by names such as left_eye and right_eye"
        )
    normal, count = plane_of(labels, vectors, pairs, options, job.machine.workers)
    rows: list[Row] = []
    pictures, notes = [], []
    for samples in measured:
        chosen = spread([len(samples)], options.images).get(0, [])
        errors, used = errors_of(samples, chosen, vectors, pairs, normal, job.machine.workers)
        if not used:
            raise UserError(
                f"{samples.title}: in none of {len(chosen)} images are a left point and its right one visible"
            )
        rows += rows_of(samples.title, [names[left].removeprefix("left").strip("_") for left, _ in pairs], errors, used)
        if used < len(chosen):
            notes.append(f"{samples.title}: {len(chosen) - used:,} images without a visible pair were left out.")
        if options.pictured:
            shown = list(samples.read(spread([len(samples)], options.pictured).get(0, []), 0))
            title = f"{job.experiment}, from {job.start}: {samples.title}"
            sheet = labels_sheet(title, shown, vectors, plane=True)
            pictures.append(Picture(f"symmetry, {samples.title}", sheet, CAPTION))
    about = {"plane": None if normal is None else normal.tolist(), "plane_images": count}
    return Result(tuple(rows), tuple(pictures), about, "\n".join([NOTE.format(images=count), *notes]))


def plane_of(
    labels: Sequence[PointSamples], vectors: Vectors, pairs: Pairs, options: SymmetryOptions, workers: int
) -> tuple[Tensor | None, int]:
    """Returns the normal of the estimated plane, None where no pair of points is visible, and of how many images."""
    lefts, rights, count = [], [], 0
    for samples in labels:
        chosen = spread([len(samples)], options.plane_images).get(0, [])
        for one in progress(samples.read(chosen, workers), len(chosen), "estimate the plane"):
            if visible := _visible(one, pairs):
                at = vectors.at(vectors.of(one.image), one.places).cpu()
                lefts.append(at[[pairs[number][0] for number in visible]])
                rights.append(at[[pairs[number][1] for number in visible]])
                count += 1
    return (reflection_normal(torch.cat(lefts), torch.cat(rights)) if lefts else None), count


def reflection_normal(left: Tensor, right: Tensor) -> Tensor:
    """Returns the normal `(L,)` of the plane through the origin whose reflection takes `left (N, L)` nearest `right`.

    With R = 1 - 2 n n' the sum of squares of R left - right is a constant and 4 n' (sum of left right') n: the normal
    is the eigenvector of the symmetric part of that sum with the least eigenvalue.
    """
    products = left.double().T @ right.double()
    return torch.linalg.eigh(products + products.T).eigenvectors[:, 0].float()


def reflected(vectors: Tensor, normal: Tensor) -> Tensor:
    """Returns vectors `(N, L)` on the other side of the plane of a normal `(L,)`, of length 1."""
    return vectors - 2 * (vectors @ normal)[:, None] * normal


def errors_of(
    samples: PointSamples,
    chosen: Sequence[int],
    vectors: Vectors,
    pairs: Pairs,
    normal: Tensor | None,
    workers: int,
) -> tuple[Errors, int]:
    """Returns the distances of all pairs by each way, and in how many images there were some."""
    errors: Errors = {AXIS: [], PLANE: [], AS_IT_IS: [], PLACE: []}
    used = 0
    for one in progress(samples.read(chosen, workers), len(chosen), "mirror"):
        visible = _visible(one, pairs)
        if not visible:
            continue
        used += 1
        height, width = one.image.shape[1:]
        lefts, rights = (one.places[[pairs[number][side] for number in visible]] for side in (0, 1))
        field = vectors.of(one.image)
        everywhere, at = vectors.everywhere(field, (height, width)), vectors.at(field, lefts)
        first = torch.zeros(at.shape[1], device=at.device)
        first[0] = 1
        queries = {AXIS: reflected(at, first), AS_IT_IS: at}
        if normal is not None:
            queries[PLANE] = reflected(at, normal.to(at))
        found = {way: most_like(of, everywhere) for way, of in queries.items()}
        found[PLACE] = torch.stack([lefts[:, 0], width - 1 - lefts[:, 1]], dim=1)
        for way, places in found.items():
            distances = (places - rights).norm(dim=1).tolist()
            errors[way] += [(number, distance, width) for number, distance in zip(visible, distances, strict=True)]
    return errors, used


def rows_of(
    dataset: str, things: Sequence[str], errors: Mapping[str, list[tuple[int, float, float]]], used: int
) -> list[Row]:
    """Returns the rows of a dataset: of all pairs, and of each thing that there are two of."""

    def mean(way: str, thing: int | None, scaled: bool) -> float | None:
        values = [
            distance * (WIDTH / width if scaled else 1)
            for number, distance, width in errors[way]
            if thing in (None, number)
        ]
        return float(np.mean(values)) if values else None

    rows = []
    for thing in (None, *range(len(things))):
        for way in (AXIS, PLANE):
            for scaled in (True, False):
                metric = f"{way}, at {WIDTH} px" if scaled else way
                still = {other: mean(other, thing, scaled) for other in (AS_IT_IS, PLACE)}
                subset = "" if thing is None else things[thing]
                rows.append(Row(dataset, metric, mean(way, thing, scaled), "px", "lower", used, subset, still))
    return rows


def _visible(one: Pointed, pairs: Pairs) -> list[int]:
    """The numbers of the pairs of which both points are visible."""
    if not one.names:
        return []
    return [number for number, (left, right) in enumerate(pairs) if bool(one.visible[left] and one.visible[right])]
