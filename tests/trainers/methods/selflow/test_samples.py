"""What a student sees and its teacher does not."""

from typing import Any

import numpy as np
import pytest
import torch

from trainers.engine.options import build
from trainers.methods.selflow.options import HallucinationOptions, SelFlowOptions
from trainers.methods.selflow.samples import SelFlowTransform, patches

SIDE = 64
OPTIONS: dict[str, Any] = {"network": {"name": "small", "frames": 2}, "transforms": {"crop": SIDE}}


def options(**changed: Any) -> SelFlowOptions:
    return build(SelFlowOptions, OPTIONS | changed)


def sample(epoch: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    images = {
        name: torch.from_numpy(rng.random((3, 80, 90), np.float32))
        for name in ("previous.image", "image", "next.image")
    }
    grid = torch.arange(80)[:, None] // 10 * 9 + torch.arange(90) // 10  # 72 squares of 10 pixels
    labels = dict.fromkeys(("previous.superpixels", "superpixels", "next.superpixels"), grid)
    truth = {"truth.flow": torch.ones(2, 80, 90) * torch.tensor([2.0, -3.0])[:, None, None]}
    return {"key": "v-000001", "epoch": epoch, **images, **labels, **truth, "truth.valid": torch.ones(80, 90).bool()}


def test_noise_fills_some_superpixels_of_one_frame_and_is_another_in_each_epoch():
    transform = SelFlowTransform(options(loss={"kind": "occ"}), train=True)
    chosen = set()
    for epoch in range(12):
        made = transform(sample(epoch))
        changed = (made["noised"] != made["frames"]).any(1)
        number = [bool(frame.any()) for frame in changed].index(True)
        chosen.add(number)
        assert [bool(frame.any()) for frame in changed].count(True) == 1
        share = changed[number].float().mean().item()
        assert 0.03 < share < 12 * 100 / SIDE**2 + 0.01, "8 to 12 squares, some of them cut by the crop"
        again = transform(sample(epoch))
        assert again["noised"].equal(made["noised"])
    assert chosen == {0, 1, 2}


def test_patches_are_whole_superpixels_that_are_there():
    labels = np.full((40, 40), -1)
    labels[:, :20] = np.arange(40)[:, None] // 8
    hidden = patches(40, labels, HallucinationOptions(patches=(2, 2)), np.random.default_rng(0))
    assert not hidden[:, 20:].any()
    assert hidden.sum() == 2 * 8 * 20
    assert len(np.unique(labels[hidden])) == 2


@pytest.mark.parametrize(("shape", "least"), [("rectangles", 1), ("none", 0)])
def test_other_shapes_need_no_superpixels(shape: str, least: int):
    transform = SelFlowTransform(options(loss={"kind": "occ"}, hallucination={"shape": shape}), train=True)
    assert transform.needs == ("previous.image", "image", "next.image")
    made = transform({name: value for name, value in sample().items() if "superpixels" not in name})
    assert bool((made["noised"] != made["frames"]).any()) == bool(least)


def test_what_lies_beyond_a_smaller_image_is_not_valid():
    made = SelFlowTransform(options(transforms={"crop": 96}), train=True)(sample())
    assert made["valid"].sum() == 80 * 90
    assert SelFlowTransform(options(), train=True)(sample())["valid"].all()


def test_truth_is_that_of_the_crop():
    made = SelFlowTransform(options(loss={"kind": "supervised"}), train=False)(sample())
    assert set(made) == {"key", "frames", "flow", "valid"}
    assert made["frames"].shape == (2, 3, SIDE, SIDE)
    assert made["flow"].shape == (2, SIDE, SIDE)
    assert made["valid"].all()
    torch.testing.assert_close(made["flow"][:, 0, 0], torch.tensor([2.0, -3.0]))


@pytest.mark.parametrize("kind", ["noc", "supervised"])
def test_a_frame_that_nothing_reads_is_not_needed_and_changes_no_other(kind: str):
    jitter = {"crop": SIDE, "jitter": 0.2}
    two = SelFlowTransform(options(loss={"kind": kind}, transforms=jitter), train=True)
    three = SelFlowTransform(options(network={"name": "selflow"}, loss={"kind": kind}, transforms=jitter), train=True)
    assert set(three.needs) - set(two.needs) == {"previous.image"}
    less = {name: value for name, value in sample().items() if name != "previous.image"}
    assert two(less)["frames"].equal(three(sample())["frames"][1:])


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"transforms": {"crop": 100}}, r"transforms.crop is 100: should be a multiple of 32, the network's stride"),
        ({"hallucination": {"crop": 96}}, r"hallucination.crop is 96: the student's frames lie within the teacher's"),
        ({"network": {"name": "small", "frames": 3}}, r"network.frames is 3, and small reads 2"),
        (
            {"loss": {"warmup": 9}, "training": {"iterations": 9}},
            r"loss.warmup is 9: should be less than training.iterations, 9",
        ),
        ({"loss": {"kind": "all"}}, r"loss.kind is 'all'"),
    ],
)
def test_options_that_do_not_fit_are_refused(changed: dict[str, Any], says: str):
    with pytest.raises(ValueError, match=says):
        options(**changed)
