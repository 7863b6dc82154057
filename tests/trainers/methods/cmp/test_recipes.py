"""The presets against the paper's text (sections 4 and 4.2) and, where it is silent, the published configurations."""

import itertools

import numpy as np
import pytest

from trainers.engine.options import build, merged
from trainers.methods.cmp.guidance import guidance_points
from trainers.methods.cmp.options import CMPOptions
from trainers.methods.cmp.recipes import GRIDS, RECIPES

# encoder, decoder, iterations, samples of a step, K, G, most points
TABLE = {
    "alexnet": ("alexnet", "plain", 140_000, 12 * 16, 81, 200, 150),
    "resnet50": ("resnet50", "plain", 42_000, 10 * 16, 81, 200, None),
    "parsing": ("resnet50", "plain", 70_000, 10 * 16, 15, 80, None),
    "annotation": ("resnet50", "skip", 42_000, 8 * 8, 41, 131, None),
}


def test_these_are_all_of_the_papers():
    assert set(RECIPES) - {"small", "demo"} == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_a_recipe_has_the_papers_values(name: str):
    options = build(CMPOptions, RECIPES[name])
    model, training, guidance = options.model, options.training, options.guidance
    assert TABLE[name] == (
        *(model.encoder, model.decoder, training.iterations, training.batch_size),
        *(guidance.kernel_size, guidance.grid_stride, guidance.max_points),
    )
    assert (options.transforms.shorter_side, options.transforms.crop) == (416, 384)
    assert (guidance.points, guidance.edge_threshold) == ("watershed", 0.1)
    assert (options.loss.kind, options.loss.bins, options.loss.limit) == ("classification", 99, 50)
    assert (training.learning_rate, training.momentum, training.weight_decay) == (0.1, 0.9, 1e-4)


@pytest.mark.parametrize(("name", "milestones"), [("alexnet", (80_000, 120_000)), ("resnet50", (24_000, 36_000))])
def test_the_rate_falls_where_the_published_configurations_have_it_fall(name: str, milestones: tuple[int, int]):
    training = build(CMPOptions, RECIPES[name]).training
    assert (training.optimizer, training.schedule, training.gamma) == ("sgd", "multistep", 0.1)
    assert [round(share * training.iterations) for share in training.milestones] == list(milestones)


@pytest.mark.parametrize(("name", "points"), [("alexnet", 4), ("resnet50", 4), ("annotation", 9), ("parsing", 25)])
def test_the_grid_has_the_papers_number_of_points(name: str, points: int):
    options = build(CMPOptions, RECIPES[name])
    crop = options.transforms.crop
    still = np.zeros((2, crop, crop), np.float32)
    found = guidance_points(still, np.ones((crop, crop), np.bool_), options.guidance, np.random.default_rng(0))
    assert len(found) == points


def test_the_demo_is_small():
    options = build(CMPOptions, RECIPES["demo"])
    assert options.model.encoder == "resnet18"
    assert options.transforms.crop <= 128
    assert options.training.iterations <= 1000


@pytest.mark.parametrize(("recipe", "grid"), [*itertools.product(RECIPES, GRIDS)])
def test_every_variant_is_accepted_and_differs_within_its_axis(recipe: str, grid: str):
    for variants in GRIDS[grid].values():
        built = []
        for over in variants.values():
            options = {key: value for key, value in over.items() if key != "train_share"}  # which is the experiment's
            built.append((build(CMPOptions, merged(RECIPES[recipe], options)), over.get("train_share")))
        assert len(set(map(repr, built))) == len(variants)


def test_the_papers_ablations():
    paper = GRIDS["paper"]
    base = RECIPES["alexnet"]
    nets = [build(CMPOptions, merged(base, over)).model.strides for over in paper["nets"].values()]
    assert nets == [(1,), (1, 2), (1, 2, 4), (1, 2, 4, 8)]
    assert [over["train_share"] for over in paper["data"].values()] == [0.25, 0.5, 1]
    guidance = [build(CMPOptions, merged(base, over)).guidance for over in paper["guidance"].values()]
    assert (guidance[0].points, guidance[0].grid_stride) == ("none", None), "Walker et al."
    assert build(CMPOptions, base).guidance in guidance, "the peak is one of them"


def test_guidance_grows_along_its_axis():
    """On a field of 16 blocks that move differently."""
    rng = np.random.default_rng(0)
    flow = np.kron(rng.uniform(-9, 9, (2, 4, 4)), np.ones((96, 96))).astype(np.float32)
    known = np.ones(flow.shape[1:], np.bool_)
    counts = []
    for over in GRIDS["paper"]["guidance"].values():
        options = build(CMPOptions, merged(RECIPES["resnet50"], over)).guidance
        counts.append(len(guidance_points(flow, known, options, rng)))
    assert counts[0] == 0
    assert counts == sorted(set(counts))
