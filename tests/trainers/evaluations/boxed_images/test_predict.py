import numpy as np
import torch
from pycocotools import mask as coco
from torch import nn

from tests.support.boxed_shapes import CLASSES, shapes, write_coco
from trainers.evaluations.boxed_images.data import BoxedImages
from trainers.evaluations.boxed_images.listing import list_images
from trainers.evaluations.boxed_images.options import BoxedData
from trainers.evaluations.boxed_images.predict import find, truth_of
from trainers.evaluations.boxed_images.survey import surveyed
from trainers.metrics.detection import coco_precision, voc07_precision

ALL = shapes(8)


class Oracle(nn.Module):
    """Finds just what the target has, as torchvision's detectors say it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, images, targets):
        assert not self.training
        return [
            {
                "boxes": target["boxes"],
                "labels": target["labels"],
                "scores": torch.linspace(0.9, 0.6, len(target["labels"])),
                "masks": target["masks"][:, None] * 0.7,
            }
            for target in targets
        ]


def test_whoever_finds_everything_is_right(tmp_path):
    write_coco(tmp_path, train2017=ALL[:1], val2017=ALL[1:])
    images = list_images(BoxedData(kind="coco", path=str(tmp_path)))
    listed, _ = surveyed(images.tree, images.validation, "look", 0)
    found = find(Oracle().train(), BoxedImages(images.tree, listed, masks=True))
    truth = truth_of(listed, masks=True)
    assert len(found) == len(truth) == 7
    for one, seen, there in zip(ALL[1:], found, truth, strict=True):
        assert seen.boxes.tolist() == there.boxes.tolist() == one.boxes
        assert seen.labels.tolist() == there.labels.tolist() == list(one.labels)
        for mask, ours, theirs in zip(one.masks, seen.masks, there.masks, strict=True):
            np.testing.assert_array_equal(coco.decode(ours), mask)
            np.testing.assert_array_equal(coco.decode(theirs), mask)
    sizes = [one.size for one in listed]
    assert voc07_precision(found, truth, len(CLASSES)) == [1, 1]
    for masks in (False, True):
        assert round(coco_precision(found, truth, sizes, len(CLASSES), masks).mean, 9) == 1
    without = truth_of(listed, masks=False)
    assert not any(one.masks for one in without)
