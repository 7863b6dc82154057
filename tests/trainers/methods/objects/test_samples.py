"""Pairs of images: the motion between them is that of their pixels."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.trainers.methods.objects.sticks import SIDE, picture
from trainers.engine.options import build
from trainers.methods.objects.options import ObjectsOptions
from trainers.methods.objects.samples import ObjectsTransform, varied

WARPED = {"pairs": "warp", "transforms": {"shorter_side": 64, "crop": 64}, "warp": {"margin": 8}}
FRAMES = {"pairs": "truth", "transforms": {"crop": SIDE}}


def transform(train: bool = True, **given: Any) -> ObjectsTransform:
    return ObjectsTransform(build(ObjectsOptions, given), train)


def smooth(number: int = 0) -> torch.Tensor:
    noise = np.random.default_rng(number).random((6, 7, 3), np.float32)
    return torch.from_numpy(cv2.resize(noise, (70, 64), interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1).copy())


def pair(number: int, epoch: int = 0, **given: Any) -> dict[str, Any]:
    train = given.pop("train", True)
    return transform(train, **WARPED | given)({"key": f"a-{number:06d}", "epoch": epoch, "image": smooth(number)})


def differences(made: dict[str, Any]) -> torch.Tensor:
    """How far the colours are apart of the first image's counted pixels, and of where they are in the second."""
    side = made["flow"].shape[-1]
    line = torch.arange(side).float()
    places = torch.stack(torch.meshgrid(line, line, indexing="xy")) + made["flow"]
    inside = ((places >= 0) & (places <= side - 1)).all(0)
    grid = (2 * places / (side - 1) - 1).permute(1, 2, 0)[None]
    there = F.grid_sample(made["second"][None], grid, padding_mode="border", align_corners=True)[0]
    # Beside what is beyond the image, a pixel of the second is interpolated from that.
    kernel = torch.ones(1, 1, 7, 7)
    near = F.conv2d(1 - made["counted"].float()[None, None], kernel, padding=3)[0, 0] > 0
    return (there - made["image"]).abs().amax(0)[inside & ~near]


@pytest.mark.parametrize("symmetry", ["none", "bilateral"])
def test_a_warp_s_motion_is_that_of_the_pixels(symmetry: str):
    mirrored = set()
    for number in range(6):
        made = pair(number, loss={"symmetry": symmetry})
        apart = differences(made)
        assert len(apart) > 200
        assert apart.quantile(0.99) < 0.03
        assert apart.mean() < 0.005
        assert made["image"].shape == made["second"].shape == (3, 48, 48)
        mirrored.add(bool(made["mirrored"]))
    assert mirrored == ({False} if symmetry == "none" else {True, False})


def test_still_pairs_would_be_seen():
    made = pair(0)
    made["flow"] = torch.zeros_like(made["flow"])
    assert differences(made).mean() > 0.02


def test_pixels_from_beyond_the_image_do_not_count():
    far = {"translation": 0.0, "scale": 0.0, "rotation": 0.0, "bend": 0.0, "strong_bend": 0.0, "margin": 0}
    assert pair(0, warp=far)["counted"].all()
    assert pair(0, warp=far)["flow"].abs().max() <= 1
    made = pair(3, warp=far | {"translation": 0.3})
    assert 0.1 < made["counted"].float().mean() < 1
    assert made["image"][:, ~made["counted"]].isfinite().all()


def test_warps_are_drawn_by_seed_epoch_and_key():
    made = [pair(0), pair(0), pair(0, epoch=1), pair(0, training={"seed": 1}), pair(1)]
    assert torch.equal(made[0]["flow"], made[1]["flow"])
    assert torch.equal(made[0]["image"], made[1]["image"])
    for other in made[2:]:
        assert not torch.equal(made[0]["flow"], other["flow"])
    held = [pair(0, epoch, train=False, loss={"symmetry": "bilateral"}) for epoch in range(8)]
    assert all(torch.equal(held[0]["second"], other["second"]) for other in held)
    assert not any(bool(other["mirrored"]) for other in held)


def frames(**given: Any) -> dict[str, Any]:
    (image, flow), (after, _) = picture(0, 0), picture(0, 1)
    planes = {"image": image, "next.image": after}
    sample = {name: torch.from_numpy(one.transpose(2, 0, 1) / np.float32(255)) for name, one in planes.items()}
    valid = torch.ones(SIDE, SIDE, dtype=torch.uint8)
    valid[20] = 0
    sample |= {"truth.flow": torch.from_numpy(flow), "truth.valid": valid}
    if given.get("loss", {}).get("occlusion"):
        sample["truth.occlusion"] = torch.from_numpy(np.eye(SIDE, dtype=np.uint8))
    return transform(**FRAMES | given)({"key": "a-000000", "epoch": 0} | sample)


def test_pixels_without_motion_are_left_out():
    _, flow = picture(0, 0)
    length = torch.from_numpy(flow).norm(dim=0)
    known = torch.arange(SIDE)[:, None].expand(-1, SIDE) != 20
    for motion in (0.0, 2.0):
        torch.testing.assert_close(frames(loss={"motion": motion})["counted"], known & (length > motion))
    assert torch.equal(frames(loss={"motion": None})["counted"], known)
    occluded = frames(loss={"occlusion": True})["counted"]
    assert torch.equal(occluded, known & (length > 0) & ~torch.eye(SIDE, dtype=torch.bool))
    assert 200 < occluded.sum() < 1000


def test_frames_are_followed_as_they_are():
    (image, flow), (after, _) = picture(0, 0), picture(0, 1)
    made = frames()
    np.testing.assert_allclose(made["image"], image.transpose(2, 0, 1) / 255, atol=1e-6)
    np.testing.assert_allclose(made["second"], after.transpose(2, 0, 1) / 255, atol=1e-6)
    counted = made["counted"].numpy()
    np.testing.assert_allclose(made["flow"].numpy()[:, counted], flow[:, counted], atol=1e-6)


def test_a_mirrored_frame_is_where_its_flow_leads():
    made = [frames(loss={"symmetry": "bilateral"}, training={"seed": seed}) for seed in range(8)]
    assert {bool(one["mirrored"]) for one in made} == {True, False}
    for one in made:
        # On the stick colours change slowly, but not across its edges.
        assert differences(one).median() < 0.02


def test_colours_of_the_two_images_are_varied_apart():
    made = pair(0, photometric={"jitter": 0.4})
    plain = pair(0)
    apart = [(made[name] - plain[name]).mean().item() for name in ("image", "second")]
    assert abs(apart[0]) > 1e-3
    assert abs(apart[0] - apart[1]) > 1e-3
    assert torch.equal(made["flow"], plain["flow"])
    still = {"train": False}
    assert torch.equal(pair(0, photometric={"jitter": 0.4}, **still)["image"], pair(0, **still)["image"])


def test_compression_changes_little():
    image = smooth()
    options = build(ObjectsOptions, {"photometric": {"jpeg": [30, 98]}}).photometric
    coded = varied(image, options, np.random.default_rng(0))
    assert 1e-4 < (coded - image).abs().mean() < 0.03
