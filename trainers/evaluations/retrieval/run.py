"""Segments that validate find the most similar ones among those to train on, and take over their labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from common_fate.datasets.show import spread
from common_fate.progress import progress
from trainers.evaluations.job import Job
from trainers.evaluations.result import Picture, Result
from trainers.evaluations.retrieval.evaluation import RetrievalOptions
from trainers.evaluations.retrieval.gallery import Query, Shown, gallery
from trainers.evaluations.retrieval.labels import Asking, Found, gather, search, seen, shares
from trainers.evaluations.retrieval.segments import FEATURES, SEARCHES, Segmentation
from trainers.evaluations.segmentation.data import MaskedImages
from trainers.evaluations.segmentation.pairs import Pair, Side, check_pairs, list_pairs
from trainers.evaluations.segmentation.rows import Shares, iou_rows
from trainers.evaluations.start import load_start_features

SHOWN = 3  # of what a query found
NOTE = (
    "Intersection over union in percent, over all pixels of the images held out: each of their segments has the label "
    "of the most similar one of the other images, and that the label that most of its pixels have in their mask. "
    "Segments are by k-means of an image's features and described by their mean. Mean colour: the same segments, "
    "described by their mean colour (CIELAB); of colour segments: k-means of the colours themselves. The mean is over "
    "the classes that the masks or the labels have; a dash: neither has the class."
)
CAPTION = (
    "Of images held out: their segments, the largest one that is not of the first class, and the segments most like it "
    "of the images to train on, each with what most of its pixels are."
)


def run(job: Job) -> Result:
    """Measures how well segments tell the labels of those that are most like them.

    Raises:
        UserError: images, masks or weights cannot be used.
    """
    options: RetrievalOptions = job.options
    pairs, held_out = list_pairs(options.data)
    features = load_start_features(job, options.seed, options.stride)
    features.to("cuda" if torch.cuda.is_available() else "cpu")
    sides: dict[Side, Sequence[Pair]] = {"train": pairs, "validate": held_out}
    missing = check_pairs(
        {side: progress(of, len(of), f"check masks to {side} on") for side, of in sides.items()}, options.data
    )
    segmentation = Segmentation(features, features.grid()[1], options.clusters, options.longer_side, options.seed)
    train, validation = (MaskedImages(of, options.data) for of in (pairs, held_out))
    names = options.data.names
    few: list[str] = []
    asking = gather(seen(segmentation, validation, "segment what is held out", few, job.machine.workers), len(names))
    offered = seen(segmentation, train, "search", few, job.machine.workers)
    found = search(asking, offered, max(options.neighbours, SHOWN), len(names))
    iou = {name: shares(asking[name], found[name].predicted(options.neighbours, len(names))) for name in SEARCHES}
    best = shares(asking[FEATURES], asking[FEATURES].counts.argmax(axis=1))
    about = {
        "images": len(pairs),
        "segments": len(found[FEATURES].labels),
        "unlabelled": found[FEATURES].unlabelled,
        "queries": len(asking[FEATURES].counts),
        "of_few_features": len(few),
    }
    pictures = []
    if options.pictured:
        title = f"{job.experiment}, from {job.start}: {min(options.pictured, len(held_out))} of {len(held_out)} images"
        shown = examples(segmentation, train, validation, asking[FEATURES], found[FEATURES], options)
        pictures.append(Picture("segments", gallery(title, shown), CAPTION))
    rows = iou_rows(options.data.title, names, iou[FEATURES], len(held_out), {name: iou[name] for name in SEARCHES[1:]})
    return Result(rows, tuple(pictures), about, _note(best, about, missing, few))


def examples(
    segmentation: Segmentation,
    train: MaskedImages,
    validation: MaskedImages,
    asking: Asking,
    found: Found,
    options: RetrievalOptions,
) -> list[Query]:
    """Returns the largest segment that is not of the first class, of some images, spread evenly, with what it found."""

    def shown(images: MaskedImages, place: NDArray[np.int64], label: int, distance: float | None) -> tuple[Shown, Any]:
        sample = images[int(place[0])]
        image = sample["image"].permute(1, 2, 0).numpy()
        labels = segmentation(sample["key"], image)[FEATURES].labels
        return Shown(sample["key"], image, labels == place[1], options.data.names[label], distance), labels

    queries = []
    for number in spread([len(validation)], options.pictured).get(0, []):
        of = np.flatnonzero(asking.places[:, 0] == number)
        sizes, things = asking.counts[of].sum(axis=1), asking.counts[of].argmax(axis=1) > 0
        row = of[np.argmax(sizes + things * sizes.sum())]
        query, labels = shown(validation, asking.places[row], int(asking.counts[row].argmax()), None)
        rows = [at for at in range(SHOWN) if found.rows[row, at] >= 0]
        nearest = [
            shown(train, found.places[n], int(found.labels[n]), float(found.distances[row, at]))[0]
            for at in rows
            for n in [found.rows[row, at]]
        ]
        queries.append(Query(labels, query, nearest))
    return queries


def _note(best: Shares, about: Mapping[str, int], missing: Sequence[str], few: Sequence[str]) -> str:
    occurring = [share for share in best if share is not None]
    said = [
        NOTE,
        f"{about['queries']:,} segments searched among {about['segments']:,}. With the label of most of its own pixels "
        f"each would have {100 * sum(occurring) / len(occurring):.1f} % mean IoU: no search has more.",
    ]
    if about["unlabelled"]:
        said.append(f"{about['unlabelled']:,} more have no pixel that counts, and were left out.")
    if few:
        said.append(f"Images with fewer features than there should be segments: {len(few):,}, such as {few[0]}.")
    if missing:
        said.append(f"No mask to train on has {' or '.join(missing)}.")
    return "\n".join(said)
