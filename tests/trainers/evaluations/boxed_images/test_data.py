from pathlib import Path

import numpy as np
import pytest
import torch

from common_fate.errors import UserError
from tests.support.boxed_shapes import shapes, write_coco
from trainers.evaluations.boxed_images.data import BoxedImages, collate
from trainers.evaluations.boxed_images.listing import list_images
from trainers.evaluations.boxed_images.options import BoxedData
from trainers.evaluations.boxed_images.survey import surveyed

ALL = shapes(6)


@pytest.fixture
def listed(tmp_path: Path):
    write_coco(tmp_path, train2017=ALL[:5], val2017=ALL[5:])
    images = list_images(BoxedData(kind="coco", path=str(tmp_path)))
    return images.tree, surveyed(images.tree, images.train, "look", 0)[0]


def proposals(key, image):
    return np.array([[1, 2, 11, 12], [0, 0, 64, 64]], np.float32)


def test_a_sample_is_what_torchvisions_detectors_take(listed):
    samples = BoxedImages(*listed, masks=True)
    assert len(samples) == 5
    for shaped, sample in zip(ALL, samples, strict=False):
        np.testing.assert_allclose(sample["image"].permute(1, 2, 0) * 255, shaped.image, atol=1e-3)
        target = sample["target"]
        assert target["boxes"].tolist() == shaped.boxes
        assert target["labels"].tolist() == [label + 1 for label in shaped.labels], "0 is the background"
        np.testing.assert_array_equal(target["masks"], np.stack(shaped.masks))
        assert target["size"].tolist() == [64, 64]


def test_half_of_the_samples_are_mirrored_with_all_that_lies_on_them(listed):
    straight, flipped = (BoxedImages(*listed, 3, flip, masks=True, proposals=proposals) for flip in (False, True))
    mirrored = 0
    for epoch in range(4):
        for index in range(5):
            before, after = straight[epoch, index], flipped[epoch, index]
            assert torch.equal(after["image"], flipped[epoch, index]["image"]), "the same each time"
            if torch.equal(before["image"], after["image"]):
                continue
            mirrored += 1
            assert torch.equal(after["image"], before["image"].flip(-1))
            assert torch.equal(after["target"]["masks"], before["target"]["masks"].flip(-1))
            assert after["target"]["proposals"].tolist() == [[53, 2, 63, 12], [0, 0, 64, 64]]
            for mask, box in zip(after["target"]["masks"].bool(), after["target"]["boxes"].int().tolist(), strict=True):
                y, x = torch.nonzero(mask, as_tuple=True)
                assert [x.min(), y.min(), x.max() + 1, y.max() + 1] == box
    assert 5 <= mirrored <= 15


def test_what_does_not_count_is_not_learnt(listed):
    tree, images = listed
    two = next(one for one in images if len(one.labels) == 2)
    two.crowd[0] = True
    (sample,) = BoxedImages(tree, [two], masks=True)
    assert sample["target"]["boxes"].tolist() == two.boxes[1:].tolist()
    assert len(sample["target"]["masks"]) == 1
    two.difficult[1] = True
    (sample,) = BoxedImages(tree, [two], masks=True)
    assert sample["target"]["boxes"].shape == (0, 4)
    assert (sample["target"]["masks"].shape, sample["target"]["masks"].dtype) == ((0, 64, 64), torch.uint8)


def test_a_batch_keeps_images_of_any_size(listed):
    batch = collate([BoxedImages(*listed)[0], BoxedImages(*listed)[1]])
    assert batch["key"] == [ALL[0].name, ALL[1].name]
    assert [image.shape for image in batch["image"]] == [(3, 64, 64)] * 2
    assert len(batch["target"]) == 2


def test_what_was_damaged_since_is_named(listed):
    tree, images = listed
    Path(tree.roots[0][0], images[0].image).write_bytes(b"")
    with pytest.raises(UserError, match=rf"data\.path: train2017/{images[0].key}\.png: "):
        BoxedImages(tree, images)[0]
