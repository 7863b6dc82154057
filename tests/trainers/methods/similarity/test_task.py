"""The task on pictures whose halves move apart: what is learnt, what is saved, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.utils.data import default_collate

from common_fate.errors import UserError
from trainers.data.split import Split
from trainers.engine.options import build
from trainers.engine.train import create_task
from trainers.methods.similarity.method import METHOD
from trainers.methods.similarity.options import SimilarityOptions
from trainers.methods.similarity.task import Similarity
from trainers.models.encoders import create_encoder, load_encoder
from trainers.models.saving import load_model, save_model
from trainers.models.weights_file import extract_encoder

SIDE = 32
SMALL = {
    "model": {"encoder": "resnet18", "layers": ["conv1", "layer1"], "hidden": 32},
    "loss": {"pixels": 64},
    "transforms": {"shorter_side": None, "crop": SIDE},
}


def options(**changed: Any) -> SimilarityOptions:
    return build(SimilarityOptions, SMALL | {name: SMALL.get(name, {}) | value for name, value in changed.items()})


def batch_of(task: Similarity, known: bool = True) -> dict[str, Any]:
    """Four pictures, red on one side and blue on the other; red moves right and blue moves left."""
    transform, samples = task.samples(train=False), []
    for number in range(4):
        red = torch.arange(SIDE).expand(SIDE, SIDE) < 8 + 5 * number
        image = torch.stack([red, torch.zeros(SIDE, SIDE), ~red]).float()
        flow = torch.stack([torch.where(red, 6.0, -6.0), torch.zeros(SIDE, SIDE)])
        flow = flow if known else torch.full_like(flow, float("nan"))
        samples.append(transform({"key": f"halves{number}-000000", "epoch": 0, "image": image, "flow": flow}))
    return default_collate(samples)


def measured(task: Similarity, batch: dict[str, Any]) -> dict[str, float]:
    metrics = task.metrics()
    with torch.no_grad():
        task.measure(task.net.eval(), batch, metrics)
    return {name: metric.compute().item() for name, metric in metrics.items()}


@pytest.mark.parametrize("kind", ["kta", "ce", "ce_rev", "direct"])
def test_a_few_steps_reduce_the_loss_and_what_moves_alike_becomes_alike(kind):
    task = create_task(METHOD, options(loss={"kind": kind, "pixels": 64})).train()
    batch = batch_of(task)
    optimizer = torch.optim.Adam([one for one in task.parameters() if one.requires_grad], 3e-3)
    losses = []
    for _ in range(40):
        (loss,) = task(batch).values()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - {"kta": 0.1, "ce": 0.05, "ce_rev": 0.005, "direct": 1.0}[kind]
    found = measured(task, batch)
    assert found["loss"] < losses[0]
    assert found["accuracy" if kind == "direct" else "alignment"] > 0.6
    vectors = task.net.embed(batch["image"])
    assert vectors.shape == (4, 32 if kind == "direct" else 16, SIDE // 4, SIDE // 4)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4, 8, 8))
    left, further, right = vectors[0, :, 4, 0], vectors[0, :, 6, 1], vectors[0, :, 4, 7]
    assert left @ further > left @ right + 0.2


def test_the_dense_embedding_is_that_of_single_pixels():
    task = create_task(METHOD, options()).eval()
    images = torch.rand(2, 3, 30, 41)
    points = torch.tensor([[0.0, 0.0], [28.0, 40.0], [4.0, 12.0]])
    with torch.no_grad():
        single = torch.nn.functional.normalize(task.net(images, points.expand(2, -1, -1)), dim=2)
        dense = task.net.embed(images)
    assert dense.shape == (2, 16, 8, 11)
    for number, (y, x) in enumerate([(0, 0), (7, 10), (1, 3)]):
        torch.testing.assert_close(dense[:, :, y, x], single[:, number], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["kta", "ce", "direct"])
def test_images_without_known_flow_teach_nothing(kind):
    task = create_task(METHOD, options(loss={"kind": kind})).train()
    batch = batch_of(task, known=False)
    (loss,) = task(batch).values()
    loss.backward()
    assert loss.item() == 0
    assert all(one.grad is None or one.grad.isfinite().all() for one in task.parameters())
    assert "no pixel of any image has known flow" in task.idle


def test_a_learnt_variance_stays_positive_has_a_gradient_and_says_when_it_collapses():
    task = create_task(METHOD, options(loss={"learn_variance": True, "variance": 0.04, "pixels": 64})).train()
    (loss,) = task(batch_of(task)).values()
    loss.backward()
    assert task.net.log_variance.exp().item() == pytest.approx(0.04)
    assert task.net.log_variance.grad.abs() > 0
    task.stepped(50)
    for value, like in ((-20.0, "only equal flow is alike"), (5.0, "all flow is alike")):
        task.net.log_variance.data.fill_(value)
        task.stepped(51)
        with pytest.raises(UserError, match=rf"loss\.variance has become .* after 100 iterations, so that {like}"):
            task.stepped(100)
    fixed = create_task(METHOD, options())
    assert not fixed.net.log_variance.requires_grad


def test_what_is_saved_is_a_plain_network_that_computes_the_same(tmp_path: Path):
    """AlexNet as torchvision has it, narrow enough for a test: its fully connected layers are not read."""
    chosen = options(model={"encoder": "alexnet_torchvision", "layers": ["conv1", "conv5"]}, transforms={"crop": 64})
    task = create_task(METHOD, chosen).train()
    images, points = torch.rand(2, 3, 64, 64), torch.rand(2, 9, 2) * 63
    with torch.no_grad():
        for _ in range(3):
            task.net(images, points)
        expected = task.eval().net(images, points)
        task.finished()
        torch.testing.assert_close(task.net(images, points), expected, rtol=1e-3, atol=1e-4)
    save_model(tmp_path / "model.safetensors", task.net, METHOD, chosen, Split())
    extract_encoder(tmp_path / "model.safetensors", tmp_path / "encoder.safetensors")
    assert set(load_file(tmp_path / "encoder.safetensors")) == set(create_encoder("alexnet_torchvision").state_dict())
    encoder, model = (
        load_encoder(tmp_path / "encoder.safetensors", "alexnet_torchvision"),
        load_model(tmp_path / "model.safetensors"),
    )
    with torch.no_grad():
        torch.testing.assert_close(model.net(images, points), expected, rtol=1e-3, atol=1e-4)
        with task.net.norms.within(task.net.encoder):
            normalised = task.net.encoder.activations(images, ["conv5"])["conv5"]
        torch.testing.assert_close(encoder.activations(images, ["conv5"])["conv5"], normalised, rtol=1e-3, atol=1e-4)


def test_fc7_of_vgg_has_256_channels_in_the_hypercolumn():
    with torch.device("meta"):  # shapes alone: the network has 134 million weights
        net = Similarity.network(build(SimilarityOptions, {"model": {"encoder": "vgg16_torchvision"}}))
        assert net(torch.rand(2, 3, 64, 64), torch.rand(2, 10, 2)).shape == (2, 10, 16)
    assert net.hidden.in_features == 64 + 128 + 256 + 512 + 512 + 256


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": {"encoder": "resnet18", "layers": ["fc7"]}}, "model.layers: resnet18 has no layer 'fc7': should be"),
        ({"model": {"encoder": "vgg19"}}, "model.encoder is 'vgg19': should be one of alexnet, alexnet_torchvision"),
        ({"model": {"layers": ["conv1", "conv1"]}}, "model.layers are .*: each once"),
        ({"loss": {"kind": "mse"}}, "loss.kind is 'mse': should be kta, ce, ce_rev or direct"),
        ({"loss": {"variance": 0.0}}, "loss.variance is 0.0: from 1e-06 to 10"),
        ({"loss": {"kind": "direct", "learn_variance": True}}, "loss.* kind is direct, which has no kernel of flow"),
        (
            {"loss": {"pixels": 512}, "transforms": {"crop": 16}},
            "loss.pixels is 512, and transforms.crop 16: a crop has",
        ),
        ({"view": "grouping"}, "view is 'grouping': should be motion or cmp"),
        ({"colours": {"hue": 0.7}}, "colours.hue is 0.7: a share, from 0 to 0.5"),
    ],
)
def test_options_that_make_no_sense_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        build(SimilarityOptions, given)


def test_recipes_and_the_grid_build():
    for name, recipe in METHOD.recipes.items():
        made = build(SimilarityOptions, recipe)
        assert METHOD.view_for(made) == "motion", name
        if name == "paper":
            assert made == SimilarityOptions()
    for variant, values in METHOD.grids["losses"]["loss"].items():
        assert build(SimilarityOptions, values).loss.kind == variant
