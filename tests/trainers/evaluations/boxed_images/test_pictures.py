import cv2
import numpy as np
import pytest
from pycocotools import mask as coco

from pipeline.sources.archives import Tree
from tests.support.boxed_shapes import shapes, write_image
from trainers.evaluations.boxed_images.images import boxed
from trainers.evaluations.boxed_images.pictures import GREY, SHARP, draw, drawn_on
from trainers.metrics.detection import Found, Truth

RED, BLACK = (220, 20, 20), (0, 0, 0)


def test_boxes_and_masks_lie_where_they_are_on_a_larger_image():
    image = np.full((48, 96, 3), 100, np.uint8)
    mask = np.zeros((48, 96), np.uint8, order="F")
    mask[20:30, 20:40] = 1
    drawn = drawn_on(image, np.array([[20, 20, 40, 30]], np.float32), [""], [RED], [coco.encode(mask)])
    factor = SHARP // 96
    assert drawn.shape == (48 * factor, 96 * factor, 3)
    assert (image == 100).all(), "the image itself stays"
    assert drawn[20 * factor, 30 * factor].tolist() == list(RED), "the upper edge"
    assert drawn[30 * factor - 1, 30 * factor].tolist() == list(RED), "the lower edge"
    assert drawn[25 * factor, 30 * factor].tolist() == [160, 60, 60], "half of the image shows through"
    assert (drawn[31 * factor :] == 100).all()
    assert (drawn[: 12 * factor] == 100).all(), "its words stand just above it"


def test_boxes_at_the_border_are_drawn():
    image = np.full((30, 30, 3), 100, np.uint8)
    drawn = drawn_on(image, np.array([[0, 0, 30, 30], [29.9, 29.9, 30, 30]], np.float32), ["a", "b"], [RED, BLACK])
    assert drawn[-1, len(drawn) // 2].tolist() == list(RED)


def test_a_sheet_has_the_truth_beside_what_was_found(tmp_path):
    some = shapes(3)
    for one in some:
        write_image(tmp_path / f"{one.name}.png", one.image)
    images = [boxed(one.name, f"{one.name}.png", one.boxes, one.labels) for one in some]
    no = np.zeros(1, bool)
    box, label = np.array([[8, 8, 56, 56]], np.float32), np.zeros(1, int)
    truth = [Truth(box, label, no, no), Truth(box, label, no, ~no), Truth(box[:0], label[:0], no[:0], no[:0])]
    other = np.array([[8, 8, 56, 56], [2, 2, 20, 62]], np.float32)
    scores = np.array([[0.4, 0.3], [0.9, 0.4], [0.9, 0.6]], np.float32)
    found = [Found(other, each, np.zeros(2, int)) for each in scores]
    png = draw("title", Tree(((str(tmp_path), ""),)), images, truth, found, ["disk"], 3)
    sheet = cv2.cvtColor(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    left, right = np.split(sheet[:, : sheet.shape[1] // 2 * 2], 2, axis=1)
    colour = (40, 220, 80)  # about that of the first class

    def shown(part, what):
        rows = (np.abs(part.astype(int) - what).sum(axis=2) < 60).sum(axis=1) > 50
        return int(np.count_nonzero(np.diff(rows.astype(int)) == 1))

    assert shown(left, colour) >= 1, "what counts"
    assert shown(left, GREY) > shown(right, GREY) >= 0, "what does not is grey"
    assert shown(right, colour) > shown(left, colour)
    drawn = [int((np.abs(part.astype(int) - colour).sum(axis=2) < 60).sum()) for part in np.array_split(right, 3)]
    assert 0 < drawn[0] == pytest.approx(drawn[1], rel=0.2), "the best alone, be it sure or not"
    assert drawn[2] > 1.5 * drawn[1], "both that are sure"
