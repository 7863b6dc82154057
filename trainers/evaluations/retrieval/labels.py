"""Labels carried from segments over to those that are most like them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from common_fate.progress import progress
from trainers.engine.loaders import one_line_errors
from trainers.evaluations.retrieval.search import Nearest, voted
from trainers.evaluations.retrieval.segments import FEATURES, SEARCHES, Segmentation, Segments
from trainers.evaluations.segmentation.data import MaskedImages
from trainers.evaluations.segmentation.rows import Shares
from trainers.metrics.segmentation import intersection_over_union

Lists = dict[str, list[NDArray[Any]]]


@dataclass(frozen=True)
class Seen:
    """An image of a side, by its number, and its segments by how they are made."""

    number: int
    mask: NDArray[np.int64]  # (H, W)
    segments: Mapping[str, Segments]


@dataclass(frozen=True)
class Asking:
    """The Q segments that are to be labelled, of all images.

    Args:
        counts: `(Q, classes)`, their pixels by the masks.
        descriptors: `(Q, C)`.
        places: `(Q, 2)`, the number of the image and of the segment in it.
    """

    counts: NDArray[np.int64]
    descriptors: NDArray[np.float32]
    places: NDArray[np.int64]


@dataclass(frozen=True)
class Found:
    """What Q segments found among N.

    Args:
        labels: `(N,)`, what most of their pixels are.
        places: `(N, 2)`, as of `Asking`.
        rows, distances: `(Q, count)`, the nearest first; -1 and infinity where there are fewer.
        unlabelled: how many segments beside those N have no pixel that counts.
    """

    labels: NDArray[np.int64]
    places: NDArray[np.int64]
    rows: NDArray[np.int64]
    distances: NDArray[np.float32]
    unlabelled: int

    def predicted(self, neighbours: int, classes: int) -> NDArray[np.int64]:
        """Returns the label of each of the Q segments, by vote."""
        rows = self.rows[:, :neighbours]
        return voted(np.where(rows >= 0, self.labels[rows], -1), classes)


def seen(
    segmentation: Segmentation, images: MaskedImages, title: str, few: list[str], workers: int = 0
) -> Iterator[Seen]:
    """Yields all images, segmented.

    Args:
        title: of the progress bar.
        few: to which the keys of images are added that have fewer features than there should be segments.

    Raises:
        UserError: an image or a mask cannot be read.
    """
    loader = DataLoader(images, batch_size=None, num_workers=workers)
    for number, sample in enumerate(progress(one_line_errors(iter(loader)), len(images), title)):
        segments = segmentation(sample["key"], sample["image"].permute(1, 2, 0).numpy())
        if not segments[FEATURES].whole:
            few.append(sample["key"])
        yield Seen(number, sample["labels"].numpy(), segments)


def gather(images: Iterable[Seen], classes: int) -> dict[str, Asking]:
    """Returns all segments of some images together, by how they are made."""
    counts: Lists = {name: [] for name in SEARCHES}
    descriptors: Lists = {name: [] for name in SEARCHES}
    places: Lists = {name: [] for name in SEARCHES}
    for one in images:
        for name, segments in one.segments.items():
            counts[name].append(segments.classes(one.mask, classes))
            descriptors[name].append(segments.descriptors)
            places[name].append(_places(one.number, np.arange(len(segments.descriptors))))
    return {name: Asking(*(np.concatenate(each[name]) for each in (counts, descriptors, places))) for name in SEARCHES}


def search(asking: Mapping[str, Asking], images: Iterable[Seen], count: int, classes: int) -> dict[str, Found]:
    """Returns what segments find among those of other images, of which no more is kept than their labels."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    nearest = {name: Nearest(asking[name].descriptors, count, device) for name in SEARCHES}
    labels: Lists = {name: [] for name in SEARCHES}
    places: Lists = {name: [] for name in SEARCHES}
    unlabelled = dict.fromkeys(SEARCHES, 0)
    for one in images:
        for name, segments in one.segments.items():
            counts = segments.classes(one.mask, classes)
            known = np.flatnonzero(counts.sum(axis=1))
            nearest[name].add(segments.descriptors[known])
            labels[name].append(counts[known].argmax(axis=1))
            places[name].append(_places(one.number, known))
            unlabelled[name] += len(counts) - len(known)
    found = {}
    for name, of in nearest.items():
        of.compare()
        arrays = np.concatenate(labels[name]), np.concatenate(places[name])
        found[name] = Found(*arrays, of.rows.cpu().numpy(), of.distances.cpu().numpy(), unlabelled[name])
    return found


def shares(asking: Asking, predicted: NDArray[np.int64]) -> Shares:
    """Returns the intersection over union of each class, where each segment is all of one class `(Q,)`."""
    classes = asking.counts.shape[1]
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion.T, predicted, asking.counts)
    return intersection_over_union(torch.from_numpy(confusion))


def _places(number: int, segments: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack([np.full_like(segments, number), segments], axis=1)
