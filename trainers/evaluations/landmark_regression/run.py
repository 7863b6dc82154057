"""Named landmarks, told from frozen features after learning from few labels and from all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from common_fate.datasets.show import spread
from common_fate.errors import UserError
from common_fate.progress import progress
from trainers.evaluations.job import Job
from trainers.evaluations.landmark_regression.evaluation import LandmarkRegressionOptions
from trainers.evaluations.landmark_regression.linear import pixels, shares
from trainers.evaluations.landmark_regression.ways import REGRESSED, STILL, Dense, Labels, Predict, Sparse, mean_place
from trainers.evaluations.named_points.pictures import (
    GREEN,
    Dots,
    colour_of,
    picture_of,
    rows_of_tiles,
    sheet,
    with_dots,
)
from trainers.evaluations.named_points.samples import Pointed, PointSamples, labelled_and_measured, same_names
from trainers.evaluations.named_points.vectors import load_vectors
from trainers.evaluations.result import Picture, Result, Row
from trainers.evaluations.start import load_start_model
from trainers.registry import METHODS

EYES = (("left_eye", "right_eye"), ("left_eye_outer", "right_eye_outer"))
MOST_NAMED = 20
"""Landmarks that have a row of their own."""
NOTE = (
    "Distances of landmarks from where they are told to be, in percent of {by}: means over the landmarks of an image, "
    "then over images. Learnt from {images:,} images of which nothing is measured, or from some of them: means of "
    "{seeds} draws. The network stays as it is. {ways} Mean place: landmarks are where they are on average in the same "
    "labels. What no label shows does not count."
)
SPARSE = "Regressed: a linear regressor without bias, from the places of all the points that the network finds."
DENSE = (
    "Nearest: the pixel whose vector is most like the mean vector at the landmark. Regressed: a linear regressor "
    "without bias, from the places of {points} virtual points of each landmark, whose vectors are learnt."
)
CAPTION = (
    "Images that nothing was learnt from: landmarks as rings, and where they are told to be, from all labels, as dots."
)
FOUND = "The points that the network finds by itself, each in one colour in all images."

Trial = tuple[int | None, int]
"""From how many labels, None: from all; and which draw of them."""
Errors = dict[tuple[Trial, str], list[tuple[float, list[float | None]]]]
"""By trial and way: of each image the mean error, and those of all landmarks, None of those that are not visible."""


@dataclass(frozen=True)
class Scale:
    """What errors are shares of: the distance of two landmarks, by their numbers, or, without, the image's width."""

    eyes: tuple[int, int] | None

    def of(self, one: Pointed) -> float | None:
        """Returns it in pixels; None where an eye is not visible."""
        if self.eyes is None:
            return float(one.image.shape[2])
        left, right = self.eyes
        if not (one.visible[left] and one.visible[right]):
            return None
        return float((one.places[left] - one.places[right]).norm()) or None


def run(job: Job) -> Result:
    """Measures how well landmarks are told.

    Raises:
        UserError: the weights or a view cannot be read, nothing is labelled, or no image to measure on has both eyes.
    """
    options: LandmarkRegressionOptions = job.options
    way = _way(job)
    labels_of, measured = labelled_and_measured(job, options.hold_out, options.labels_from)
    names = same_names([*labels_of, *measured])
    scale = Scale(eyes_of(names, options, measured[0].title))
    labels, left_out = gather(labels_of, way, options.memory_gb, job.machine.workers)
    trials = list(trials_of(len(labels.found), options))
    predictions: dict[tuple[Trial, str], Predict] = {}
    known: dict[Trial, Tensor] = {}
    for trial in progress(trials, len(trials), "learn"):
        number, draw = trial
        some = labels if number is None else labels.some(drawn(len(labels.found), number, draw, options.seed))
        known[trial] = some.visible.any(dim=0)
        learnt = {**way.learn(some, draw), STILL: mean_place(some)}
        predictions |= {(trial, name): predict for name, predict in learnt.items()}
    rows: list[Row] = []
    pictures, notes, about = [], [], {}
    for samples in measured:
        errors, counts = errors_of(samples, way, predictions, known, scale, job.machine.workers)
        rows += rows_of(samples.title, names, way.ways, trials, errors, counts["measured"])
        notes += _counted(samples.title, counts)
        about[samples.title] = {"counts": counts, "deviations": deviations(way.ways, trials, errors)}
        if options.pictured:
            pictures += _pictures(job, samples, way, predictions[(trials[0], REGRESSED)], options.pictured)
    notes += [f"There are no {number} labelled images." for number in options.labels if number > len(labels.found)]
    notes += [f"For {left_out:,} more images there was no room in memory_gb."] if left_out else []
    facts = {"labelled": len(labels.found), "measured": about}
    return Result(tuple(rows), tuple(pictures), facts, "\n".join([_note(options, way, len(labels.found)), *notes]))


def eyes_of(names: Sequence[str], options: LandmarkRegressionOptions, dataset: str) -> tuple[int, int] | None:
    """Returns the numbers of the two landmarks whose distance errors are shares of; None: they are of the width.

    Raises:
        UserError: there are none of these names.
    """
    if options.normalize == "width":
        return None
    for left, right in [options.eyes] if options.eyes else EYES:
        if left in names and right in names:
            return names.index(left), names.index(right)
    wanted = " and ".join(options.eyes) if options.eyes else "left_eye and right_eye"
    raise UserError(
        f"{dataset}: has no points {wanted}, whose distance errors are shares of, but {', '.join(names[:8])}: name two "
        "in eyes, or measure by normalize: width"
    )


def gather(several: Sequence[PointSamples], way: Sparse | Dense, memory_gb: float, workers: int) -> tuple[Labels, int]:
    """Returns what is found in all images with a visible landmark, and for how many there was no room.

    Raises:
        UserError: there is none.
    """
    found: list[Tensor] = []
    places, visible, left_out, room = [], [], 0, memory_gb * 1e9
    size = (0, 0)
    for samples in several:
        for one in progress(samples.read(range(len(samples)), workers), len(samples), "learn from"):
            if not one.visible.any():
                continue
            new = way.find(one.image)
            room -= way.size(new)
            if room < 0 and found:
                left_out += 1
                continue
            found.append(new)
            size = (one.image.shape[1], one.image.shape[2])  # the same crop of all
            places.append(shares(one.places, size))
            visible.append(one.visible)
    if not found:
        titles = ", ".join(samples.title for samples in several)
        raise UserError(f"{titles}: no image to learn from has a visible landmark")
    return Labels(found, torch.stack(places), torch.stack(visible), size), left_out


def trials_of(count: int, options: LandmarkRegressionOptions) -> Iterator[Trial]:
    """Yields the trials with so many labelled images: with all first."""
    yield None, 0
    for number in sorted(options.labels, reverse=True):
        if number < count:
            yield from ((number, seed) for seed in range(options.seeds))


def drawn(count: int, number: int, draw: int, seed: int) -> list[int]:
    """Returns which of the labelled images are learnt from: a larger number has all of a smaller one."""
    return np.random.default_rng((seed, draw)).permutation(count)[:number].tolist()


def errors_of(
    samples: PointSamples,
    way: Sparse | Dense,
    predictions: Mapping[tuple[Trial, str], Predict],
    known: Mapping[Trial, Tensor],
    scale: Scale,
    workers: int,
) -> tuple[Errors, dict[str, int]]:
    """Returns the errors of all predictions, as shares, and how many images were measured and left out.

    Args:
        known: of each trial `(P,)`, bool: which landmarks a label shows; of others nothing is told, and nothing counts.

    Raises:
        UserError: no image could be measured.
    """
    errors: Errors = {which: [] for which in predictions}
    counts = {"measured": 0, "without landmarks": 0, "without both eyes": 0}
    for one in progress(samples.read(range(len(samples)), workers), len(samples), "measure"):
        if not one.visible.any():
            counts["without landmarks"] += 1
            continue
        length = scale.of(one)
        if length is None:
            counts["without both eyes"] += 1
            continue
        counts["measured"] += 1
        found = way.find(one.image)
        for which, predict in predictions.items():
            seen = one.visible & known[which[0]]
            if seen.any():
                told = predict(found, (one.image.shape[1], one.image.shape[2]))
                errors[which].append(_errors(told, replace(one, visible=seen), length))
    if not counts["measured"]:
        said = "; ".join(f"{count:,} {what}" for what, count in counts.items() if what != "measured")
        raise UserError(f"{samples.title}: none of {len(samples)} images can be measured: {said}")
    return errors, counts


def rows_of(
    dataset: str,
    names: Sequence[str],
    ways: Sequence[str],
    trials: Sequence[Trial],
    errors: Errors,
    measured: int,
) -> list[Row]:
    """Returns the rows of a dataset: from all labels first, then from fewer, then of each landmark from all."""

    def row(way: str, number: int | None) -> Row:
        of = [trial for trial in trials if trial[0] == number]
        value, still = (_mean([_all(errors[(trial, name)]) for trial in of]) for name in (way, STILL))
        subset = "" if number is None else f"{number} label{'s' if number > 1 else ''}"
        return Row(dataset, way, value, "%", "lower", measured, subset, {STILL: still})

    numbers = dict.fromkeys(number for number, _ in trials)
    rows = [row(way, number) for number in numbers for way in ways]
    if len(names) <= MOST_NAMED:
        first = trials[0]
        for place, name in enumerate(names):
            for way in ways:
                value, still = (_one(errors[(first, each)], place) for each in (way, STILL))
                rows.append(Row(dataset, way, value, "%", "lower", measured, name, {STILL: still}))
    return rows


def deviations(ways: Sequence[str], trials: Sequence[Trial], errors: Errors) -> dict[str, dict[str, float]]:
    """Returns by way and number of labels the standard deviation of the draws' errors, in percent."""
    numbers = sorted({number for number, _ in trials if number is not None})

    def spread_of(way: str, number: int) -> float:
        values = [_all(errors[(trial, way)]) for trial in trials if trial[0] == number]
        return float(np.std([value for value in values if value is not None] or [0.0]))

    return {way: {str(number): spread_of(way, number) for number in numbers} for way in ways}


def _way(job: Job) -> Sparse | Dense:
    options: LandmarkRegressionOptions = job.options
    if METHODS[job.method].embeds:
        return Dense(load_vectors(job, options.vectors), options)
    net, _ = load_start_model(job)
    return Sparse(net.eval().to("cuda" if torch.cuda.is_available() else "cpu"), options)


def _errors(told: Tensor, one: Pointed, length: float) -> tuple[float, list[float | None]]:
    distances = ((told.cpu() - one.places).norm(dim=1) / length).tolist()
    seen = one.visible.tolist()
    each = [distance if visible else None for distance, visible in zip(distances, seen, strict=True)]
    return float(np.mean([distance for distance in each if distance is not None])), each


def _all(errors: Sequence[tuple[float, list[float | None]]]) -> float | None:
    return 100 * float(np.mean([mean for mean, _ in errors])) if errors else None


def _one(errors: Sequence[tuple[float, list[float | None]]], place: int) -> float | None:
    values = [each[place] for _, each in errors]
    known = [value for value in values if value is not None]
    return 100 * float(np.mean(known)) if known else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _note(options: LandmarkRegressionOptions, way: Sparse | Dense, images: int) -> str:
    by = "the images' width" if options.normalize == "width" else "the distance between the eyes"
    ways = SPARSE if isinstance(way, Sparse) else DENSE.format(points=options.virtual_points)
    return NOTE.format(by=by, images=images, seeds=options.seeds, ways=ways)


def _counted(dataset: str, counts: Mapping[str, int]) -> list[str]:
    left = [f"{count:,} {what}" for what, count in counts.items() if count and what != "measured"]
    return [f"{dataset}: left out were images: {', '.join(left)}."] if left else []


def _pictures(job: Job, samples: PointSamples, way: Sparse | Dense, predict: Predict, pictured: int) -> list[Picture]:
    told_tiles, found_tiles = [], []
    for one in samples.read(spread([len(samples)], pictured).get(0, []), 0):
        size = (one.image.shape[1], one.image.shape[2])
        picture, found = picture_of(one.image), way.find(one.image)
        if one.names:
            seen = np.flatnonzero(one.visible.numpy())
            true = Dots(one.places.numpy()[seen], [(60, 120, 255)] * len(seen), hollow=True)
            dots = Dots(predict(found, size).numpy()[seen], [GREEN] * len(seen))
            told_tiles.append((with_dots(picture, true, dots), one.key))
        if isinstance(way, Sparse):
            points = pixels(found, size).numpy()
            dots = Dots(points, [colour_of(number) for number in range(len(points))])
            found_tiles.append((with_dots(picture, dots), one.key))
    title = f"{job.experiment}, from {job.start}: {samples.title}"
    pictures = [Picture(f"landmarks, {samples.title}", sheet(title, rows_of_tiles(told_tiles, 4)), CAPTION)]
    if found_tiles:
        pictures.append(Picture(f"found, {samples.title}", sheet(title, rows_of_tiles(found_tiles, 4)), FOUND))
    return pictures
