"""How well boxes and masks are found: average precision as PASCAL VOC 2007 has it, and as COCO does. No torch here."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

VOC_IOU = 0.5
# Objects of all areas are measured, up to 1e10. So areas do not matter, but that one above it does not count.
_NEVER = 1e11

Mask = dict[str, Any]
"""Packed runs of pycocotools."""


@dataclass(frozen=True)
class Found:
    """What a network found on an image: N `boxes (N, 4)`, x0, y0, x1, y1 in pixels, with `labels` from 0."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    masks: tuple[Mask, ...] = ()


@dataclass(frozen=True)
class Truth:
    """What is on an image, as its annotations say.

    Args:
        boxes, labels, masks: as of `Found`.
        crowd: `(N,)` bool, several objects in one: what is found there does not count, however much of it.
        difficult: `(N,)` bool: whether it is found or not does not count.
    """

    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    difficult: NDArray[np.bool_]
    masks: tuple[Mask, ...] = ()


@dataclass(frozen=True)
class CocoPrecision:
    """COCO's average precisions, as shares; None where there is no object.

    Args:
        mean: over IoU from .5 to .95, and over classes.
        at50, at75: at one IoU, over classes.
        classes: of each class, over IoU.
    """

    mean: float | None
    at50: float | None
    at75: float | None
    classes: tuple[float | None, ...]


def voc07_precision(found: Sequence[Found], truth: Sequence[Truth], classes: int) -> list[float | None]:
    """Computes the average precision of each class as PASCAL VOC 2007 did; None for a class without an object.

    What is found takes, best score first, the object of its class that it overlaps most, from an IoU of .5 up. It is
    right where nobody took that object before; on a difficult one, or a crowd, it does not count. Precision, the best
    at this recall or above, is averaged over recalls 0, .1, ... 1.

    Source: Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 2010, section 4.2.
    """
    return [_voc07_of_class(found, truth, label) for label in range(classes)]


def _voc07_of_class(found: Sequence[Found], truth: Sequence[Truth], label: int) -> float | None:
    objects = [one.labels == label for one in truth]
    uncounted = [(one.difficult | one.crowd)[own] for one, own in zip(truth, objects, strict=True)]
    total = sum(int((~one).sum()) for one in uncounted)
    if not total:
        return None
    taken = [np.zeros(len(one), np.bool_) for one in uncounted]
    scored = [
        (score, image, box)
        for image, one in enumerate(found)
        for score, box in zip(one.scores[one.labels == label], one.boxes[one.labels == label], strict=True)
    ]
    right = []
    for _, image, box in sorted(scored, key=lambda each: -each[0]):
        overlaps = box_iou(box[None], truth[image].boxes[objects[image]])[0]
        best = int(overlaps.argmax()) if len(overlaps) else -1
        hit = best >= 0 and overlaps[best] >= VOC_IOU
        if hit and uncounted[image][best]:
            continue
        right.append(hit and not taken[image][best])
        if hit:
            taken[image][best] = True
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(hits) + 1)
    # Recalls as whole numbers: hits / total >= step / 10.
    best_at = [precision[10 * hits >= step * total].max(initial=0.0) for step in range(11)]
    return float(np.mean(best_at))


def box_iou(boxes: NDArray[np.floating[Any]], others: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Computes the intersection over union of boxes `(N, 4)` and `(M, 4)`, each with each: `(N, M)`."""
    ours, theirs = boxes.astype(np.float64)[:, None], others.astype(np.float64)[None]
    sides = np.minimum(ours[..., 2:], theirs[..., 2:]) - np.maximum(ours[..., :2], theirs[..., :2])
    shared = sides.clip(min=0).prod(axis=-1)
    both = _area(ours) + _area(theirs) - shared
    return np.divide(shared, both, out=np.zeros_like(shared), where=both > 0)


def coco_precision(
    found: Sequence[Found],
    truth: Sequence[Truth],
    sizes: Sequence[tuple[int, int]],
    classes: int,
    masks: bool = False,
) -> CocoPrecision:
    """Computes COCO's average precision with pycocotools, of boxes, or of masks; difficult objects are not counted.

    Args:
        sizes: height and width of each image.
    """
    annotations = [
        {
            "image_id": image,
            "category_id": int(one.labels[i]),
            "bbox": _coco_box(one.boxes[i]),
            "area": _NEVER if one.difficult[i] else 0.0,
            "iscrowd": int(one.crowd[i]),
        }
        | ({"segmentation": one.masks[i]} if masks else {})
        for image, one in enumerate(truth)
        for i in range(len(one.labels))
    ]
    results = [
        {
            "image_id": image,
            "category_id": int(one.labels[i]),
            "bbox": _coco_box(one.boxes[i]),
            "area": 0.0,
            "score": float(one.scores[i]),
            "iscrowd": 0,
        }
        | ({"segmentation": one.masks[i]} if masks else {})
        for image, one in enumerate(found)
        for i in range(len(one.labels))
    ]
    with contextlib.redirect_stdout(io.StringIO()):  # it says what it does, several times
        kind = "segm" if masks else "bbox"
        evaluation = COCOeval(_coco(annotations, sizes, classes), _coco(results, sizes, classes), kind)
        evaluation.params.areaRng, evaluation.params.areaRngLbl = evaluation.params.areaRng[:1], ["all"]
        evaluation.params.maxDets = evaluation.params.maxDets[-1:]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][..., 0, 0]  # (IoU, recall, class); -1 where there is no object
    return CocoPrecision(
        _mean(precision),
        _mean(precision[0]),
        _mean(precision[5]),
        tuple(_mean(precision[..., label]) for label in range(classes)),
    )


def _coco(annotations: list[dict[str, Any]], sizes: Sequence[tuple[int, int]], classes: int) -> COCO:
    made = COCO()
    made.dataset = {
        "images": [{"id": image, "height": height, "width": width} for image, (height, width) in enumerate(sizes)],
        "categories": [{"id": label} for label in range(classes)],
        "annotations": [one | {"id": number} for number, one in enumerate(annotations, 1)],  # 0 would mean: no match
    }
    made.createIndex()
    return made


def _coco_box(box: NDArray[np.float32]) -> list[float]:
    x0, y0, x1, y1 = (float(edge) for edge in box)
    return [x0, y0, x1 - x0, y1 - y0]


def _area(boxes: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    area: NDArray[np.floating[Any]] = (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1)
    return area


def _mean(precision: NDArray[np.float64]) -> float | None:
    known = precision[precision >= 0]
    return float(known.mean()) if known.size else None


def percent(share: float | None) -> float | None:
    """Returns a share in percent."""
    return None if share is None else 100 * share
