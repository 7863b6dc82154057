"""What the task makes of samples and its options, and that it learns."""

from typing import Any

import pytest
import torch
from torch.utils.data import default_collate

from pipeline.columns.flow.networks import create_network
from trainers.engine.options import build
from trainers.methods.matching.method import METHOD
from trainers.methods.matching.options import MatchingOptions
from trainers.methods.matching.recipes import GRIDS, RECIPES
from trainers.methods.matching.task import Matching

SIDE = 32
SMALL = {
    "pyramid": {"levels": 2, "radius": 6, "alpha": 4, "beta": 2, "delta": 4},
    "descriptor": {"widths": [4, 8]},
    "transforms": {"shorter_side": None, "crop": SIDE},
}


def sample(seed: int, right: int, down: int) -> dict[str, Any]:
    """Noise that moves by whole pixels, brighter in the next frame."""
    noise = torch.rand(3, SIDE + 12, SIDE + 12, generator=torch.Generator().manual_seed(seed))
    flow = torch.tensor([right, down], dtype=torch.float32).view(2, 1, 1).expand(2, SIDE, SIDE).contiguous()
    return {
        "key": f"a-{seed:06d}",
        "epoch": 0,
        "image": noise[:, 6 : 6 + SIDE, 6 : 6 + SIDE] * 0.6,
        "next.image": noise[:, 6 - down : 6 - down + SIDE, 6 - right : 6 - right + SIDE] * 0.8,
        "truth.flow": flow,
        "truth.valid": torch.ones(SIDE, SIDE, dtype=torch.uint8),
    }


def batch(options: MatchingOptions) -> dict[str, Any]:
    transform = Matching(options).samples(train=False)
    return default_collate([transform(sample(seed, *moved)) for seed, moved in enumerate(((2, -1), (-3, 4)))])


@pytest.mark.parametrize(
    ("loss", "moves"),
    [
        ({}, {"exponents", "features"}),
        ({"features": False}, {"exponents"}),
        ({"exponents": False}, {"features"}),
        ({"decoded": [0, 1], "scores": [0, 2]}, {"exponents", "features"}),
    ],
)
def test_what_is_to_be_learnt_is_learnt_and_nothing_else(loss: dict[str, Any], moves: set[str]):
    torch.manual_seed(0)
    options = build(MatchingOptions, SMALL | {"loss": loss})
    task, data = Matching(options), batch(options)
    before = {name: weight.clone() for name, weight in task.net.state_dict().items()}
    optimizer = torch.optim.SGD([weight for weight in task.parameters() if weight.requires_grad], 2e-3, 0.9)
    values = []
    for _ in range(12):
        losses = task(data)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        values.append(sum(losses.values()).item())
    wanted = options.loss
    assert set(losses) == {f"decoded_{one}" for one in wanted.decoded} | {f"scores_{one}" for one in wanted.scores}
    assert values[-1] < values[0]
    after = task.net.state_dict()
    changed = {
        "exponents" if name == "exponents" else "features" for name in after if (after[name] != before[name]).any()
    }
    assert changed == moves


@pytest.mark.parametrize(
    "descriptor",
    [{"widths": [4, 8]}, {"name": "encoder", "encoder": "resnet18", "layer": "layer1"}],
    ids=["convolutions", "encoder"],
)
def test_mixed_precision_rounds_no_scores(descriptor: dict[str, Any]):
    options = build(MatchingOptions, SMALL | {"descriptor": descriptor})
    task, data = Matching(options), batch(options)
    with torch.autocast("cpu", torch.bfloat16):
        (loss,) = task(data).values()
    assert loss.dtype == torch.float32
    assert loss != loss.bfloat16().float()
    loss.backward()
    assert all(each.grad is None or each.grad.isfinite().all() for each in task.parameters())


def test_noise_that_moves_is_matched_and_only_where_the_truth_is_known():
    options = build(MatchingOptions, SMALL | {"descriptor": {"name": "gradients"}})
    task, data = Matching(options), batch(options)
    data["valid"][:, :, :16] = False
    metrics = task.metrics()
    task.measure(task.net, data, metrics)
    assert metrics["accuracy_10"].weight == 2 * SIDE * 16
    assert metrics["accuracy_10"].compute() > 0.95


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_pipeline_makes_the_network_of_a_recipe(recipe: str):
    options = build(MatchingOptions, RECIPES[recipe])
    made = METHOD.flow_network(options)
    network = create_network(made["name"], dict(made["options"]))
    expected = Matching.network(options).state_dict()
    assert {name: weight.shape for name, weight in network.state_dict().items()} == {
        name: weight.shape for name, weight in expected.items()
    }


def test_the_grid_of_what_is_learnt_fits_the_small_recipe():
    made = {
        name: build(MatchingOptions, {**RECIPES["small"], **one}) for name, one in GRIDS["learnt"]["learnt"].items()
    }
    assert (
        len({(one.descriptor.name, one.loss.exponents, one.loss.features) for one in made.values()}) == len(made) == 4
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"descriptor": {"name": "sift"}}, "name is 'sift': should be one of convolutions, gradients, encoder"),
        ({"descriptor": {"name": "encoder", "encoder": "resnet19"}}, "encoder is 'resnet19': should be one of alexnet"),
        ({"descriptor": {"name": "encoder", "layer": "conv2"}}, "layer is 'conv2': resnet18 has conv1, layer1, layer2"),
        ({"pairs": "twins"}, "pairs is 'twins': should be one of truth, flow, warp"),
        ({"pairs": "warp", "warp": {"margin": 9}}, "warp.margin is 9, and transforms.crop 32: 14 pixels are left"),
        (
            {"pairs": "warp", "warp": {"margin": 8}, "pyramid": {"radius": 17}},
            "pyramid.radius is 17: should be at most",
        ),
        ({"loss": {"exponents": False}, "descriptor": {"name": "gradients"}}, "nothing is learnt"),
        ({"loss": {"decoded": []}}, "decoded and scores are empty"),
        ({"loss": {"decoded": [3]}}, "loss is of level 3: crops of 32 pixels have 2 above the first"),
        ({"loss": {"sigma": 0}}, "sigma is 0"),
        ({"loss": {"sigma": 1e-300}}, "sigma is 1e-300: from 0.01 up"),
        ({"pyramid": {"gamma": 3}}, "gamma is 3"),
        ({"pyramid": {"radius": 33}}, "pyramid.radius is 33: should be at most transforms.crop, 32 pixels"),
        ({"pyramid": {"beta": 32, "radius": 6}}, "pyramid.beta is 32: the first point is not in a crop of 32 pixels"),
    ],
)
def test_options_that_do_not_fit_are_refused(wrong: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message.replace("[", r"\[").replace("]", r"\]")):
        build(MatchingOptions, SMALL | wrong)
