"""Labelled images as samples, and the pictures of what is said of them."""

import cv2
import numpy as np
import torch

from common_fate.errors import SampleError
from trainers.engine.options import TransformOptions
from trainers.evaluations.labelled_images.images import Crop, LabelledImages, Unread, said
from trainers.evaluations.labelled_images.pictures import RIGHT, WRONG, Said, confusion_sheet, images_sheet
from trainers.evaluations.labelled_images.sides import Labelled

TRANSFORMS = TransformOptions(shorter_side=40, crop=32, flip=True, jitter=0.3)


class Noise(Labelled):
    """Images of noise, by row; one whose name begins with `bad` is damaged, and `long` is a line of pixels."""

    def image(self, row):
        name = self.names[row]
        if name.startswith("bad"):
            raise SampleError("damaged image")
        shape = (1, 60_000, 3) if name.startswith("long") else (50, 60, 3)
        return np.random.default_rng(row).integers(0, 256, shape, dtype=np.uint8)


def images(names, labels, crop):
    return LabelledImages(Noise(None, names, np.array(labels), ("x", "y")), crop)


def test_training_varies_by_epoch_and_measured_crops_are_always_the_same():
    train = images(["a", "b"], [0, 1], Crop(TRANSFORMS, 0, train=True))
    assert train[0, 1]["image"].shape == (1, 3, 32, 32)
    assert not torch.equal(train[0, 1]["image"], train[1, 1]["image"])
    ten = images(["a", "b"], [0, 1], Crop(TRANSFORMS, 0, train=False, count=10))
    assert ten[1]["image"].shape == (10, 3, 32, 32)
    assert torch.equal(ten[1]["image"], ten[5, 1]["image"])
    assert len({one.numpy().tobytes() for one in ten[1]["image"]}) > 5
    # They are parts of the resized image as it is, or mirrored: no colour is varied.
    small = cv2.resize(train.images.image(1).astype(np.float32) / 255, (48, 40), interpolation=cv2.INTER_AREA)
    for crop in ten[1]["image"].permute(0, 2, 3, 1).numpy():
        ways = (np.abs(small[y : y + 32, x : x + 32] - way).max() for way in (crop, crop[:, ::-1])
                for y in range(9) for x in range(17))  # fmt: skip
        assert min(ways) < 1e-5
    centre = images(["a", "b"], [0, 1], Crop(TRANSFORMS, 0, train=False))[1]["image"][0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(centre, small[4:36, 8:40], atol=1e-5)


def test_what_cannot_be_read_says_why_and_does_not_count():
    several = images(["bad", "a", "long"], [[1, 0], [0, -1], [1, 1]], Crop(TRANSFORMS, 0, train=True))
    samples = [several[row] for row in range(3)]
    assert [sample["label"].tolist() for sample in samples] == [[-1, -1], [0, -1], [-1, -1]]
    assert [sample["problem"] for sample in samples] == ["damaged image", "", samples[2]["problem"]]
    assert samples[2]["problem"].startswith("resized from 1x60000")
    unread = Unread()
    unread.note({name: [sample[name] for sample in samples] for name in ("key", "problem")})
    assert said(unread, "images") == (
        " Left out, since they cannot be read: 2 of the images, such as bad (damaged image)."
    )
    assert said(Unread(), "images") == ""


def decoded(png):
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_a_frame_says_whether_all_that_is_said_is_right():
    some = images(["a", "b"], [0, 1], Crop(TRANSFORMS, 0, train=False))
    for guessed, colour in ((["x"], RIGHT), (["y"], WRONG), (["x", "y"], WRONG), ([], WRONG)):
        sheet = decoded(images_sheet("t", some, [Said(0, ["x"], [(name, 0.5) for name in guessed])]))
        assert (sheet == colour).all(axis=2).sum() > 1000


def test_a_matrix_is_darker_where_more_is_taken_for_something():
    confusion = torch.tensor([[8, 0, 2], [0, 0, 0], [0, 0, 5]])
    sheet = decoded(confusion_sheet("t", ["one", "two", "three"], confusion))
    assert (sheet == (26, 102, 194)).all(axis=2).sum() > 1000, "of the third class all are right"
    many = decoded(confusion_sheet("t", [f"class {n}" for n in range(500)], torch.eye(500, dtype=torch.int64)))
    assert many.shape[0] > 1000
