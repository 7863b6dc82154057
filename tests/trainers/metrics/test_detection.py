"""Average precision against written-out definitions, torchmetrics and torchvision."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco
from torchmetrics.detection import MeanAveragePrecision
from torchvision.ops import box_iou as torchvision_iou

from trainers.metrics.detection import Found, Truth, box_iou, coco_precision, voc07_precision

CLASSES, SIDE = 3, 40


def boxes_of(rng, count):
    corners = rng.integers(0, SIDE - 12, (count, 2))
    return np.concatenate([corners, corners + rng.integers(6, 12, (count, 2))], axis=1).astype(np.float32)


def scene(seed, images=4, crowds=False, difficult=False, least=0):
    """Truth of some images, and what is found: some of it jittered truth, the rest anything, all scores apart."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for _ in range(images):
        count = int(rng.integers(least, 5))
        there, labels = boxes_of(rng, count), rng.integers(0, CLASSES, count)
        flags = [rng.random(count) < 0.3 if wanted else np.zeros(count, bool) for wanted in (crowds, difficult)]
        truth.append(Truth(there, labels, *flags, masks=tuple(map(filled, there))))
        near = there + rng.integers(-1, 2, there.shape)
        near = np.concatenate([near, boxes_of(rng, 4)]).clip(0, SIDE).astype(np.float32)
        kinds = np.concatenate([labels, rng.integers(0, CLASSES, 4)])
        scores = rng.permutation(1000)[: len(near)].astype(np.float32) / 1000
        found.append(Found(near, scores, kinds, tuple(map(filled, near))))
    return truth, found


def filled(box):
    x0, y0, x1, y1 = box.astype(int)
    mask = np.zeros((SIDE, SIDE), np.uint8, order="F")
    mask[y0:y1, x0:x1] = 1
    return coco.encode(mask)


def voc_by_the_book(truth, found, label):
    """As the development kit counts: each detection, best first, is a hit, a miss, or neither."""
    total = sum(int(np.sum((t.labels == label) & ~t.difficult)) for t in truth)
    if total == 0:
        return None
    everything = [
        (f.scores[n], i, f.boxes[n]) for i, f in enumerate(found) for n in range(len(f.labels)) if f.labels[n] == label
    ]
    used, hits, misses, curve = set(), 0, 0, []
    for _, image, box in sorted(everything, key=lambda one: one[0], reverse=True):
        best, at = 0.0, None
        for number, (other, kind) in enumerate(zip(truth[image].boxes, truth[image].labels, strict=True)):
            if kind != label:
                continue
            wide = min(box[2], other[2]) - max(box[0], other[0])
            high = min(box[3], other[3]) - max(box[1], other[1])
            if wide <= 0 or high <= 0:
                continue
            area = (box[2] - box[0]) * (box[3] - box[1]) + (other[2] - other[0]) * (other[3] - other[1])
            if wide * high / (area - wide * high) > best:
                best, at = wide * high / (area - wide * high), number
        if best >= 0.5:
            if truth[image].difficult[at]:
                continue
            hits, misses = (hits, misses + 1) if (image, at) in used else (hits + 1, misses)
            used.add((image, at))
        else:
            misses += 1
        curve.append((hits / total, hits / (hits + misses)))
    levels = [max([p for r, p in curve if r >= level / 10 - 1e-9], default=0.0) for level in range(11)]
    return sum(levels) / 11


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_voc07_is_as_the_book_has_it(seed, difficult):
    truth, found = scene(seed, difficult=difficult)
    expected = [voc_by_the_book(truth, found, label) for label in range(CLASSES)]
    assert voc07_precision(found, truth, CLASSES) == pytest.approx(expected)


def as_torch(one, masks):
    made = {"boxes": torch.from_numpy(one.boxes), "labels": torch.from_numpy(one.labels)}
    if masks:
        stack = [coco.decode(mask) for mask in one.masks]
        made["masks"] = torch.from_numpy(np.stack(stack) if stack else np.empty((0, SIDE, SIDE))).bool()
    if isinstance(one, Found):
        return made | {"scores": torch.from_numpy(one.scores)}
    return made | {"iscrowd": torch.from_numpy(one.crowd).long()}


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("crowds", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_coco_precision_is_torchmetrics(seed, crowds, masks):
    # Not without objects, since torchmetrics leaves images without masks out, and what is found on them with them.
    truth, found = scene(seed, images=8, crowds=crowds, least=1 if masks else 0)
    # Its own thresholds are rounded to 32 bits, and here many overlaps are just 0.6.
    steps = {"iou_thresholds": np.linspace(0.5, 0.95, 10).tolist(), "rec_thresholds": np.linspace(0, 1, 101).tolist()}
    theirs = MeanAveragePrecision(iou_type="segm" if masks else "bbox", class_metrics=True, **steps)
    theirs.update([as_torch(one, masks) for one in found], [as_torch(one, masks) for one in truth])
    expected = theirs.compute()
    ours = coco_precision(found, truth, [(SIDE, SIDE)] * len(truth), CLASSES, masks)
    assert 0.01 < ours.mean < 0.95, "a scene in which something is right and something wrong"
    assert ours.mean == pytest.approx(expected["map"].item())
    assert (ours.at50, ours.at75) == pytest.approx((expected["map_50"].item(), expected["map_75"].item()))
    theirs_of = dict(zip(expected["classes"].tolist(), expected["map_per_class"].tolist(), strict=True))
    assert {k: -1 if v is None else v for k, v in enumerate(ours.classes)} == pytest.approx(theirs_of)


def one_image(difficult=(False, False), crowd=(False, False), found=((0, 0, 10, 10),), labels=(0, 0)):
    there = np.array([[0, 0, 10, 10], [20, 20, 30, 30]], np.float32)
    seen = np.array(found, np.float32).reshape(-1, 4)
    scores = np.linspace(0.9, 0.5, len(seen)).astype(np.float32)
    truth = Truth(there, np.array(labels), np.array(crowd), np.array(difficult))
    return [Found(seen, scores, np.zeros(len(seen), int))], [truth], [(SIDE, SIDE)]


def both(found, truth, sizes, label=0):
    """VOC's precision and COCO's, of one class."""
    both = voc07_precision(found, truth, 2)[label], coco_precision(found, truth, sizes, 2).classes[label]
    return tuple(None if one is None else round(one, 9) for one in both)


def test_what_is_difficult_counts_neither_way():
    assert both(*one_image()) == pytest.approx((6 / 11, 51 / 101)), "half of two objects"
    assert both(*one_image(difficult=(False, True))) == (1, 1), "not found, and not missed"
    several = ((20, 20, 30, 30), (20, 20, 30, 30), (0, 0, 10, 10))
    assert both(*one_image(difficult=(False, True), found=several[:1] + several[2:])) == (1, 1), "found, and not wrong"
    assert voc07_precision(*one_image(difficult=(False, True), found=several)[:2], 2)[0] == 1, "twice, too"


def test_a_crowd_takes_all_that_is_found_in_it():
    parts = ((0, 0, 10, 10), (20, 20, 25, 25), (25, 25, 30, 30))
    assert both(*one_image(crowd=(False, True), found=parts))[1] == 1, "COCO measures how much of a box is in the crowd"
    assert both(*one_image(found=(*parts[1:], parts[0])))[1] < 0.4, "of one object they would be wrong"


def test_a_class_without_an_object_has_no_precision():
    assert both(*one_image(), label=1) == (None, None)
    assert both(*one_image(difficult=(True, True))) == (None, None)
    found, truth, sizes = one_image(found=(), labels=(1, 1))
    assert both(found, truth, sizes, label=1) == (0, 0), "there is one, and nothing is found"
    assert coco_precision(found, truth, sizes, 2).mean == 0
    nothing = [Truth(np.empty((0, 4), np.float32), np.empty(0, int), np.empty(0, bool), np.empty(0, bool))]
    assert coco_precision(one_image()[0], nothing, sizes, 2).mean is None


def test_found_on_an_image_without_an_object_is_wrong():
    found, truth, _ = one_image(found=((0, 0, 10, 10), (20, 20, 30, 30)))
    nothing = Truth(np.empty((0, 4), np.float32), np.empty(0, int), np.empty(0, bool), np.empty(0, bool))
    sure = Found(np.array([[0, 0, 9, 9]], np.float32), np.array([0.99], np.float32), np.array([0]))
    assert both(found, truth, [(SIDE, SIDE)]) == (1, 1)
    assert both([*found, sure], [*truth, nothing], [(SIDE, SIDE)] * 2) == pytest.approx((2 / 3, 2 / 3))


def test_overlaps_are_torchvisions():
    rng = np.random.default_rng(0)
    ours, theirs = boxes_of(rng, 7), boxes_of(rng, 5)
    expected = torchvision_iou(torch.from_numpy(ours), torch.from_numpy(theirs)).numpy()
    np.testing.assert_allclose(box_iou(ours, theirs), expected, rtol=1e-6)
    assert box_iou(ours[:1] * 0, ours[:1] * 0).tolist() == [[0]], "boxes without an area"
