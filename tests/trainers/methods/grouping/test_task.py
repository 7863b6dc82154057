"""What the task makes of samples, its network and its options; and that a run with a queue is taken up exactly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.utils.data import default_collate

from common_fate.errors import UserError
from tests.trainers.methods.grouping.test_sampling import tree_of
from trainers.engine.loop import fit
from trainers.engine.options import Machine, build
from trainers.engine.train import create_task
from trainers.methods.grouping.method import METHOD
from trainers.methods.grouping.model import GroupingNet
from trainers.methods.grouping.options import GroupingOptions, ModelOptions
from trainers.methods.grouping.recipes import GRIDS, RECIPES
from trainers.methods.grouping.task import Grouping
from trainers.models.encoders import create_encoder

SIDE, LEAVES = 32, 4
ALONE = Machine(workers=0, threads=1)


def options(**changed: Any) -> GroupingOptions:
    training = {"iterations": 4, "batch_size": 2, "checkpoint_every": 2, "validate_every": 4, "learning_rate": 1e-3}
    given = {
        "model": {"encoder": "resnet18"},
        "transforms": {"shorter_side": None, "crop": SIDE, "jitter": 0.0},
        "training": training | changed.pop("training", {}),
    }
    return build(GroupingOptions, given | changed)


class Scenes(torch.utils.data.Dataset[Any]):
    """Four squares of a colour each; `left` is how many may be read before the run is killed."""

    def __init__(self, transform: Any, length: int = 5, left: int = 10**9) -> None:
        self.transform, self.length, self.left = transform, length, left

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int | tuple[int, int]) -> Any:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        epoch, number = index if isinstance(index, tuple) else (0, index)
        regions = torch.arange(LEAVES).reshape(2, 2).repeat_interleave(20, 0).repeat_interleave(20, 1)
        rng = np.random.default_rng(number)
        image = torch.from_numpy(rng.random((3, LEAVES), np.float32))[:, regions]
        tree = torch.from_numpy(tree_of(LEAVES, number))
        return self.transform(
            {"key": f"a{number}-000000", "epoch": epoch, "image": image, "regions": regions, "tree": tree}
        )


def batch(chosen: GroupingOptions) -> dict[str, Any]:
    data = Scenes(create_task(METHOD, chosen).samples(train=True))
    return default_collate([data[(0, number)] for number in range(3)])


def test_a_run_with_a_queue_is_taken_up_exactly(tmp_path: Path):
    chosen = options(sampling={"queue": 20})
    tasks = [create_task(METHOD, chosen) for _ in range(3)]
    varied, centred = tasks[0].samples(train=True), tasks[0].samples(train=False)

    def fitted(task: nn.Module, name: str, left: int = 10**9) -> list[dict[str, float]]:
        return fit(task, Scenes(varied, left=left), Scenes(centred), chosen.training, tmp_path / name, ALONE)["rows"]

    rows = fitted(tasks[0], "whole")
    with pytest.raises(KeyboardInterrupt):
        fitted(tasks[1], "killed", left=2 * 3)
    assert fitted(tasks[2], "killed") == rows
    states = tasks[0].state_dict(), tasks[2].state_dict()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert states[0]["queue.filled"] == 20
    assert {"validation.pair_accuracy", "validation.own_region", "validation.left_out"} < rows[-1].keys()


@pytest.mark.parametrize(
    "sampling",
    [{}, {"queue": 64}, {"second_view": False}, {"cross_image_negatives": 0}, {"distances": "flat"}],
    ids=["views", "queue", "one view", "own image", "flat"],
)
def test_a_step_trains_all_that_is_read(sampling: dict[str, Any]):
    chosen = options(sampling=sampling)
    task = create_task(METHOD, chosen).train()
    for _ in range(2):  # the first fills the queue
        loss = task(batch(chosen))["contrastive"]
    loss.backward()
    assert loss.isfinite()
    for name, weights in task.net.named_parameters():
        frozen = name.startswith("encoder.layer4")
        assert weights.requires_grad is not frozen
        assert (weights.grad is None) is frozen


def test_the_loss_is_exact_whatever_the_precision_of_the_network():
    chosen = options()
    task = create_task(METHOD, chosen).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        loss = task(batch(chosen))["contrastive"]
    assert loss.dtype == torch.float32
    assert loss != loss.bfloat16().float()


def test_regions_are_learnt():
    """Colours tell the squares apart: after a few steps positives are nearer than negatives."""
    chosen = options(sampling={"distances": "flat"})
    task = create_task(METHOD, chosen).train()
    optimizer = torch.optim.Adam((p for p in task.parameters() if p.requires_grad), 1e-3)
    given = batch(chosen)
    losses = []
    for _ in range(12):
        losses.append(task(given)["contrastive"])
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]
    metrics = task.metrics()
    task.measure(task.net, given, metrics)
    assert metrics["pair_accuracy"].compute() > 0.9
    assert metrics["own_region"].compute() == 1.0
    assert metrics["left_out"].compute() == 0.0


def test_anchors_left_out_are_counted():
    task = create_task(METHOD, options())
    given = batch(options())
    given["counted"][0] = False
    metrics = task.metrics()
    task.measure(task.net.eval(), given, metrics)
    assert metrics["left_out"].compute() == pytest.approx(1 / 3)
    given["counted"][:] = False
    assert task(given)["contrastive"] == 0.0


@pytest.mark.parametrize(("size", "strides"), [((64, 96), (8, 16)), ((33, 47), (16, 32))])
def test_the_embedding_is_a_quarter_of_the_image_and_of_length_1(size: tuple[int, int], strides: tuple[int, ...]):
    net = GroupingNet(ModelOptions("resnet18", strides)).eval()
    with torch.inference_mode():
        made = net.embed(torch.rand(2, 3, *size))
    assert made.shape == (2, 32, -(-size[0] // 4), -(-size[1] // 4))
    torch.testing.assert_close(made.norm(dim=1), torch.ones(2, *made.shape[2:]))


def test_the_network_is_the_papers():
    """conv3_x and conv4_x of ResNet-50, 3x3 to 256 each with a normalisation, 3x3 of both to 32 (section 4.2)."""
    net = Grouping.network(build(GroupingOptions, RECIPES["paper"]))
    theirs = torchvision.models.resnet50(weights=None)
    theirs.fc = nn.Identity()
    theirs.load_state_dict(net.encoder.state_dict(), strict=True)
    create_encoder("resnet50").load_state_dict(net.encoder.state_dict(), strict=True)
    heads = sum(weights.numel() for name, weights in net.named_parameters() if not name.startswith("encoder."))
    assert heads == 9 * (512 + 1024) * 256 + 2 * 2 * 256 + 9 * 512 * 32 + 32


def test_the_paper_s_recipe():
    chosen = build(GroupingOptions, RECIPES["paper"])
    training, sampling = chosen.training, chosen.sampling
    epochs = training.iterations * training.batch_size / (10_582 + 82_783)
    assert epochs == pytest.approx(80, abs=0.01)
    assert (training.optimizer, training.learning_rate, training.gamma, training.batch_size) == ("adam", 0.01, 0.1, 70)
    assert [round(80 * share) for share in training.milestones] == [25, 45, 60]
    assert (sampling.anchors, sampling.positives, sampling.negatives) == (7, 10, 5)
    assert chosen.transforms.crop == 224
    for axis in GRIDS["parts"].values():
        for over in axis.values():
            build(GroupingOptions, over)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"model": {"encoder": "vgg16"}}, "model.encoder is 'vgg16': should be one of resnet50, resnet34, resnet18"),
        (
            {"model": {"strides": [16, 8]}},
            r"model.strides are \[16, 8\]: should be some of 4, 8, 16, 32, in this order",
        ),
        ({"transforms": {"crop": 50}}, "transforms.crop is 50: should be a multiple of 4"),
        ({"sampling": {"distances": "far"}}, "sampling.distances is 'far': should be tree or flat"),
        ({"sampling": {"negatives": 0}}, "sampling.negatives is 0: from 1 up"),
        ({"sampling": {"queue": 64, "cross_image_negatives": 0}}, "nothing is taken from it; leave it out"),
        ({"sampling": {"queue": 100}}, "sampling.queue is 100: a pass has 490 anchors"),
        ({"training": {"accumulation": 70}}, "a pass has one image, and no others to take them from"),
        ({"loss": {"temperature": 0.0}}, "loss.temperature is 0.0: from 0.01 to 100"),
    ],
)
def test_options_that_do_not_fit_are_refused(changed: dict[str, Any], problem: str):
    with pytest.raises(ValueError, match=problem):
        build(GroupingOptions, changed)


def test_a_queue_larger_than_the_data_is_refused():
    task = create_task(METHOD, options(sampling={"queue": 100}))
    task.check_samples(15)
    with pytest.raises(UserError, match="queue is 100, and the 14 samples to train on have 98 anchors in all"):
        task.check_samples(14)
