import cv2
import numpy as np
import torch
from torch import nn

from common_fate.pictures.sheet import GAP, PALETTE
from trainers.evaluations.segmentation.pictures import coloured, draw


class Painted(nn.Module):
    """Predicts the second class where the image is bright."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, image):
        return torch.stack([1 - image[:, 0], image[:, 0]], dim=1)


def sample(key, right):
    image = torch.zeros(3, 40, 60)
    image[:, :, 30:] = 1
    labels = (image[0] > 0.5).long() if right else torch.zeros(40, 60, dtype=torch.int64)
    labels[:10] = 255
    return {"key": key, "image": image, "labels": labels}


def test_each_class_has_a_colour_of_its_own_and_what_does_not_count_is_grey():
    labels = np.array([[0, 1, 2, 255]])
    colours = coloured(labels)
    assert colours.shape == (96, 384, 3), "each pixel as a square"
    assert (colours == colours[:1]).all()
    assert colours[0, ::96].tolist() == [[0, 0, 0], PALETTE[1].tolist(), PALETTE[2].tolist(), [218, 220, 224]]
    assert coloured(np.zeros((500, 400), np.int64)).shape == (500, 400, 3)


def tiles(png):
    """The three pictures of the first row."""
    sheet = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    width = (sheet.shape[1] - GAP) // 3 - GAP
    top, height = 44 + GAP, width * 40 // 60
    lefts = [GAP + place * (width + GAP) for place in range(3)]
    return [sheet[top : top + height, left : left + width] for left in lefts]


def test_a_prediction_that_is_right_looks_as_its_mask_does():
    right, wrong = (tiles(draw("t", Painted().train(), [sample("a", is_right)], ["ground", "bright"], 1))
                    for is_right in (True, False))  # fmt: skip
    assert (right[0] == wrong[0]).all()
    assert (right[1] == right[2]).all()
    assert (right[2] == wrong[2]).all(), "what does not count is grey in both"
    assert (wrong[1] != wrong[2]).any(axis=2).mean() > 0.3


def test_a_sheet_has_a_row_for_each_image_and_names_all_classes():
    few, many = (
        cv2.imdecode(np.frombuffer(draw("t", Painted(), [sample("a", True)] * 3, names, count), np.uint8), 1)
        for names, count in ((["a", "b"], 1), ([f"class {n}" for n in range(40)], 3))
    )
    assert many.shape[0] - few.shape[0] > 2 * 250
    assert draw("t", Painted(), [sample("a", True)], ["a", "b"], 0)
