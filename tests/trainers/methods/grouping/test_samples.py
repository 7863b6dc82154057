"""What becomes of a sample: two views, and the same pixels in both."""

from typing import Any

import numpy as np
import pytest
import torch

from common_fate.errors import ShardError
from tests.trainers.methods.grouping.test_sampling import tree_of
from trainers.engine.options import build
from trainers.methods.grouping.options import GroupingOptions
from trainers.methods.grouping.samples import GroupingTransform

HEIGHT, WIDTH, SIDE = 180, 270, 48


def transform(train: bool = True, **changed: Any) -> GroupingTransform:
    transforms = {"shorter_side": 48, "crop": SIDE, "jitter": 0.0} | changed.pop("transforms", {})
    return GroupingTransform(build(GroupingOptions, {"transforms": transforms} | changed), train)


def ramp(key: str = "a-000001", epoch: int = 0, leaves: int = 8) -> dict[str, Any]:
    """An image whose colours say where its pixels are, and regions that are stripes across."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    image = np.stack([(y + 0.5) / HEIGHT, (x + 0.5) / WIDTH, np.zeros_like(x)]).astype(np.float32)
    regions = torch.from_numpy((x + y) * leaves // (HEIGHT + WIDTH))
    given = {"image": torch.from_numpy(image), "regions": regions, "tree": torch.from_numpy(tree_of(leaves, 0))}
    return {"key": key, "epoch": epoch} | given


def where(image: torch.Tensor, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Of each pixel of a view of the ramp, where it is from, `(S, S, 2)`, y and x."""
    return image[:2].numpy().transpose(1, 2, 0) * [height, width] - 0.5


@pytest.mark.parametrize("epoch", range(8))
def test_the_same_pixel_of_both_views_is_from_the_same_place(epoch: int):
    """By brute force: of all pixels of the second view, the one from nearest to where the first's is from."""
    made = transform()(ramp(epoch=epoch))
    first, second = where(made["image"]), where(made["second"])
    points = made["points"][:, 1:].long().reshape(-1, 2).numpy()
    places, seen = made["second_points"].reshape(-1, 2).numpy(), made["seen"].flatten().numpy()
    pixel = np.abs(second[1:, 1:] - second[:-1, :-1]).max(axis=(0, 1))  # what a pixel of the second spans
    for (y, x), place, inside in zip(points, places, seen, strict=True):
        origin = first[y, x]
        away = np.abs(second - origin) / pixel
        nearest = np.unravel_index(away.sum(axis=2).argmin(), away.shape[:2])
        margin = (origin - second.min(axis=(0, 1))) / pixel, (second.max(axis=(0, 1)) - origin) / pixel
        if inside and np.min(margin) > 1.5:  # colours at the border are extrapolated
            assert np.abs(place - nearest).max() <= 0.52
        elif np.min(margin) > 1.5 or np.min(margin) < -1.5:
            assert bool(inside) == bool(np.min(margin) > 0)


def test_views_differ_are_flipped_and_overlap():
    made = [transform()(ramp(epoch=epoch)) for epoch in range(30)]
    assert not any(torch.equal(one["image"], one["second"]) for one in made)
    assert {bool(where(one["second"])[0, 0, 1] > where(one["second"])[0, -1, 1]) for one in made} == {False, True}
    seen = torch.stack([one["seen"] for one in made]).float().mean()
    assert 0.3 < seen < 0.95


def test_regions_move_with_the_image():
    """The labels under the points are those of where the points are from: anchors and negatives differ."""
    for epoch in range(5):
        made = transform(sampling={"distances": "flat"})(ramp(epoch=epoch))
        origins = where(made["image"])[tuple(made["points"].long().flatten(0, 1).T)].round().clip(0).astype(int)
        regions = (
            ramp()["regions"]
            .numpy()[origins[:, 0].clip(max=HEIGHT - 1), origins[:, 1].clip(max=WIDTH - 1)]
            .reshape(7, 16)
        )
        same = regions == regions[:, :1]
        assert same[:, :11].mean() > 0.9  # a pixel at a region's border may be rounded across it
        assert same[:, 11:].mean() < 0.1


def test_the_same_epoch_and_key_give_the_same_and_others_not():
    def points(**how: Any) -> torch.Tensor:
        return transform()(ramp(**how))["points"]

    assert torch.equal(points(), points())
    assert not torch.equal(points(), points(epoch=1))
    assert not torch.equal(points(), points(key="a-000002"))
    held_out = [transform(train=False)(ramp(epoch=epoch)) for epoch in (0, 1)]
    assert set(held_out[0]) == {"key", "image", "points", "counted", "own"}
    assert all(torch.equal(held_out[0][name], held_out[1][name]) for name in ("image", "points"))


def test_what_the_options_leave_out_is_not_made():
    made = transform(sampling={"second_view": False, "cross_image_negatives": 0})(ramp())
    assert set(made) == {"key", "image", "points", "counted", "own"}


@pytest.mark.parametrize("leaves", [7, 9])
def test_a_tree_that_does_not_match_its_labels_is_refused(leaves: int):
    sample = ramp() | {"tree": torch.from_numpy(tree_of(leaves, 0))}
    problem = f"a-000001: its tree has {leaves} leaves, and its regions are labelled up to 7"
    with pytest.raises(ShardError, match=problem):
        transform()(sample)


def test_an_image_of_one_region_has_anchors_that_do_not_count():
    made = transform()(ramp(leaves=1))
    assert not made["counted"].any()
