import colorsys

import numpy as np
import torch

from common_fate.torch import Sample
from trainers.engine.options import TransformOptions
from trainers.methods.similarity.options import ColourOptions, LossOptions, SimilarityOptions
from trainers.methods.similarity.samples import SimilarityTransform, varied

OPTIONS = SimilarityOptions(
    loss=LossOptions(pixels=64), transforms=TransformOptions(shorter_side=None, crop=32, flip=True)
)


def sample(valid: int = 48, epoch: int = 0) -> Sample:
    """Flow is the place itself, u is x and v is y; beyond the left `valid` columns of 40x48 pixels it is not known."""
    v, u = torch.meshgrid(torch.arange(40.0), torch.arange(48.0), indexing="ij")
    flow = torch.stack([u, v])
    flow[:, :, valid:] = float("inf")
    image = torch.rand(3, 40, 48, generator=torch.Generator().manual_seed(0))
    return {"key": "film-000003", "epoch": epoch, "image": image, "flow": flow}


def test_points_have_their_flow_and_each_is_drawn_once():
    made = SimilarityTransform(OPTIONS, train=False)(sample())
    assert made["counted"].all()
    assert len({tuple(point) for point in made["points"].tolist()}) == 64
    # The centre crop of 40x48 begins at row 4 and column 8, and nothing is resized.
    torch.testing.assert_close(made["flow"].flip(1), made["points"] + torch.tensor([4.0, 8.0]))


def test_pixels_without_valid_flow_are_never_drawn():
    transform = SimilarityTransform(OPTIONS, train=False)
    made = transform(sample(valid=9))  # one column of the crop
    assert made["counted"].sum() == 32
    assert (made["points"][:, 1] == 0).all()
    assert made["points"][:32].unique(dim=0).shape == (32, 2)
    none = transform(sample(valid=0))
    assert not none["counted"].any()
    assert (none["flow"] == 0).all()


def test_crops_colours_and_pixels_follow_from_epoch_and_key():
    train = SimilarityTransform(OPTIONS, train=True)
    first, again, later = train(sample()), train(sample()), train(sample(epoch=1))
    for name in ("image", "points", "flow", "counted"):
        assert torch.equal(first[name], again[name])
    assert not torch.equal(first["points"], later["points"])
    assert not torch.equal(first["image"], later["image"])
    assert first["image"].min() >= 0
    assert first["image"].max() <= 1


def test_colours_are_brightness_contrast_and_hue():
    image = np.random.default_rng(0).random((3, 5, 6), np.float32) / 2 + 0.2
    options = ColourOptions(brightness=0.12, contrast=(0.7, 1.3), hue=0.1)
    rng = np.random.default_rng(7)
    brightness, hue, contrast = rng.uniform(-0.12, 0.12), rng.uniform(-0.1, 0.1), rng.uniform(0.7, 1.3)
    found = varied(image, options, np.random.default_rng(7))
    means = image.mean(axis=(1, 2))
    for y, x in np.ndindex(5, 6):
        pixel = np.clip((image[:, y, x] - means) * contrast + means + brightness, 0, 1)
        h, s, v = colorsys.rgb_to_hsv(*pixel.tolist())
        np.testing.assert_allclose(found[:, y, x], colorsys.hsv_to_rgb((h + hue) % 1, s, v), atol=2e-3)
    still = varied(image, ColourOptions(0, (1, 1), 0), np.random.default_rng(7))
    np.testing.assert_allclose(still, image, atol=1e-5)
