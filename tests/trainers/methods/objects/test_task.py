"""What the task makes of samples and its options; and that a run with a pool is taken up exactly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import default_collate

from common_fate.errors import UserError
from tests.trainers.methods.objects.sticks import SIDE, picture
from trainers.engine.loop import fit
from trainers.engine.options import Machine, build
from trainers.engine.train import create_task
from trainers.methods.objects.geometry import Grid, matches
from trainers.methods.objects.method import METHOD
from trainers.methods.objects.options import ObjectsOptions
from trainers.methods.objects.recipes import GRIDS, RECIPES

ALONE = Machine(workers=0, threads=1)
POOL = {"auxiliary": 2, "pool": 3}


def options(**changed: Any) -> ObjectsOptions:
    training = {"iterations": 4, "batch_size": 2, "checkpoint_every": 2, "validate_every": 4, "learning_rate": 1e-3}
    given = {"transforms": {"crop": SIDE}, "training": training | changed.pop("training", {})}
    return build(ObjectsOptions, given | changed)


class Sticks(torch.utils.data.Dataset[Any]):
    """Frames of sticks; `left` is how many may be read before the run is killed."""

    def __init__(self, transform: Any, length: int = 5, left: int = 10**9, still: bool = False) -> None:
        self.transform, self.length, self.left, self.still = transform, length, left, still

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int | tuple[int, int]) -> Any:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        epoch, number = index if isinstance(index, tuple) else (0, index)
        image, flow = picture(number, 0, self.still)
        after, _ = picture(number, 1)
        planes = {"image": image, "next.image": after}
        made = {name: torch.from_numpy(one.transpose(2, 0, 1) / np.float32(255)) for name, one in planes.items()}
        made |= {"truth.flow": torch.from_numpy(flow), "truth.valid": torch.ones(SIDE, SIDE, dtype=torch.uint8)}
        made |= {"flow": made["truth.flow"]}
        return self.transform({"key": f"a{number}-000000", "epoch": epoch} | made)


def batch(chosen: ObjectsOptions, train: bool = True) -> dict[str, Any]:
    data = Sticks(create_task(METHOD, chosen).samples(train))
    return default_collate([data[(0, number)] for number in range(3)])


def test_a_run_with_a_pool_is_taken_up_exactly(tmp_path: Path):
    chosen = options(loss=POOL)
    tasks = [create_task(METHOD, chosen) for _ in range(3)]
    varied, centred = tasks[0].samples(train=True), tasks[0].samples(train=False)

    def fitted(task: nn.Module, name: str, left: int = 10**9) -> list[dict[str, float]]:
        return fit(task, Sticks(varied, left=left), Sticks(centred), chosen.training, tmp_path / name, ALONE)["rows"]

    rows = fitted(tasks[0], "whole")
    with pytest.raises(KeyboardInterrupt):
        fitted(tasks[1], "killed", left=2 * 3)
    assert fitted(tasks[2], "killed") == rows
    states = tasks[0].state_dict(), tasks[2].state_dict()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert (states[0]["pool.identities"] >= 0).all()
    assert {"validation.matching_error", "validation.entropy", "validation.counted"} < rows[-1].keys()


CASES: dict[str, dict[str, Any]] = {
    "dist": {},
    "log": {"loss": {"kind": "log"}},
    "warp": {"pairs": "warp"},
    "flow": {"pairs": "flow"},
    "bilateral": {"loss": {"symmetry": "bilateral"}},
    "rotational": {"loss": {"symmetry": "rotational"}},
    "neighbour": {"loss": {"auxiliary": 1}},
    "pool": {"loss": POOL | {"symmetry": "bilateral"}},
    "hourglass": {"model": {"network": "hourglass", "normalise": True, "dimensions": 8}},
}


@pytest.mark.parametrize("changed", CASES.values(), ids=CASES)
def test_a_step_trains_every_weight(changed: dict[str, Any]):
    chosen = options(**changed)
    task = create_task(METHOD, chosen).train()
    (loss,) = task(batch(chosen)).values()
    loss.backward()
    assert loss.isfinite()
    assert loss > 0
    for name, weights in task.net.named_parameters():
        assert weights.grad is not None, name
        assert weights.grad.isfinite().all()
    assert sum(float(weights.grad.abs().sum()) for weights in task.parameters()) > 0


@pytest.mark.parametrize(
    "loss", [{}, {"auxiliary": 1}, POOL, {"kind": "log"}], ids=["dist", "neighbour", "pool", "log"]
)
def test_memory_changes_no_step(loss: dict[str, Any]):
    made = []
    for memory in ("blocks", "whole"):
        chosen = options(loss=loss | {"memory": memory})
        task = create_task(METHOD, chosen).train()
        torch.manual_seed(1)
        (value,) = task(batch(chosen)).values()
        value.backward()
        made.append([value.detach(), *(weights.grad for weights in task.parameters())])
    for ours, theirs in zip(*made, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-4)


def test_the_loss_is_exact_whatever_the_precision_of_the_network():
    chosen = options()
    task = create_task(METHOD, chosen).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        (loss,) = task(batch(chosen)).values()
    assert loss.dtype == torch.float32
    assert loss != loss.bfloat16().float()


@pytest.mark.parametrize("loss", [POOL, {"symmetry": "bilateral"}], ids=["pool", "mirror"])
def test_mixed_precision_rounds_no_motion(loss: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Lightning rounds what comes in to 8 bits; places in the image would be pixels off."""
    chosen = options(loss=loss, training={"precision": "bf16-mixed", "iterations": 1})
    task = create_task(METHOD, chosen)
    seen = []
    monkeypatch.setattr(task, "_losses", lambda embedding, batch, count: seen.append(batch) or _sums(embedding))
    data = Sticks(task.samples(train=True))
    fit(task, data, None, chosen.training, tmp_path, ALONE)
    numbers = [int(key[1 : key.index("-")]) for key in seen[0]["key"]]
    flows = torch.stack([data[(0, number)]["flow"] for number in numbers])
    assert torch.equal(seen[0]["flow"], flows)


def _sums(embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return embedding.square().sum((1, 2, 3)), torch.ones(len(embedding))


@pytest.mark.parametrize("loss", [POOL, {"auxiliary": 1}, {}], ids=["pool", "neighbour", "plain"])
def test_mixed_precision_trains(loss: dict[str, Any], tmp_path: Path):
    chosen = options(loss=loss, training={"precision": "bf16-mixed"})
    task = create_task(METHOD, chosen)
    rows = fit(task, Sticks(task.samples(True)), Sticks(task.samples(False)), chosen.training, tmp_path, ALONE)["rows"]
    assert len(rows) == 4
    assert 0 < rows[-1]["validation.matching_error"] < SIDE


def test_the_matching_error_is_how_far_the_likeliest_match_is_off():
    chosen = options()
    task = create_task(METHOD, chosen).eval()
    given = batch(chosen, train=False)
    metrics = task.metrics()
    with torch.no_grad():
        task.measure(task.net, given, metrics)
        first, second = (task.net(given[name]).flatten(2) for name in ("image", "second"))
    grid = Grid(SIDE // 2, SIDE // 2, 2, 0.5)
    found, places = matches(given["flow"], given["counted"], grid), grid.places(first.device)
    errors, entropies = [], []
    for image in range(3):
        for number in found.counted[image].nonzero().flatten().tolist():
            scores = first[image, :, number] @ second[image]
            share = scores.softmax(0)
            errors.append((places[scores.argmax()] - found.targets[image, number]).norm().item())
            entropies.append(-(share * share.log()).sum().item())
    assert len(errors) > 100
    assert metrics["matching_error"].compute() == pytest.approx(np.mean(errors), rel=1e-4)
    assert metrics["entropy"].compute() == pytest.approx(np.mean(entropies), rel=1e-4)
    assert metrics["counted"].compute() == pytest.approx(len(errors) / (3 * grid.cells))


def test_errors_of_rotational_symmetry_are_those_of_the_best_turn():
    """Of an embedding that is the other's, a third of a circle on: no error, where each of its own would have many."""
    task = create_task(METHOD, options(loss={"symmetry": "rotational", "order": 3})).eval()
    plain = create_task(METHOD, options()).eval()
    grid = Grid(8, 8, 2, 0.5)
    torch.manual_seed(0)
    first = 30 * nn.functional.normalize(torch.randn(1, grid.cells, 3), dim=2)
    angle = torch.tensor(2 * torch.pi / 3)
    turn = torch.tensor([[angle.cos(), -angle.sin(), 0], [angle.sin(), angle.cos(), 0], [0, 0, 1]])
    second = first @ turn.T
    found = matches(torch.zeros(1, 2, 16, 16), torch.ones(1, 16, 16, dtype=torch.bool), grid)
    assert task._errors(first, second, found, grid)[0] == 0
    assert plain._errors(first, second, found, grid)[0] > grid.cells


@pytest.mark.parametrize("pairs", ["truth", "flow"])
def test_videos_without_motion_stop_the_training(pairs: str, tmp_path: Path):
    chosen = options(pairs=pairs)
    task = create_task(METHOD, chosen)
    data = Sticks(task.samples(train=True), still=True)
    given = default_collate([data[(0, 0)]])
    assert task(given)[chosen.loss.kind] == 0
    with pytest.raises(UserError, match=r"no pixel counts, as none moves by more than loss.motion, 0.0"):
        fit(task, data, None, chosen.training, tmp_path, ALONE)


def test_one_video_without_motion_does_no_harm():
    chosen = options()
    task = create_task(METHOD, chosen).train()
    given = batch(chosen)
    given["counted"][0] = False
    (loss,) = task(given).values()
    loss.backward()
    assert loss > 0
    assert all(weights.grad.isfinite().all() for weights in task.parameters())


def test_the_paper_s_recipes():
    chapter5, chapter7 = (build(ObjectsOptions, RECIPES[f"thesis_chapter{n}"]) for n in ("5_simple", "7"))
    assert (chapter5.model.network, chapter5.model.dimensions, chapter5.side) == ("simple", 3, 90)
    assert (chapter5.pairs, chapter5.loss.motion, chapter5.loss.gamma) == ("truth", 0.0, 0.5)
    assert (chapter7.loss.auxiliary, chapter7.loss.pool, chapter7.training.batch_size) == (5, 16, 16)
    small, hourglass = (build(ObjectsOptions, RECIPES[f"dve_{name}"]) for name in ("small", "hourglass"))
    assert (small.side, hourglass.side) == (70, 96)
    assert (small.model.normalise, hourglass.model.normalise) == (False, True)
    for one in (small, hourglass):
        assert (one.loss.auxiliary, one.loss.pool, one.training.amsgrad) == (1, 0, True)
    assert small.training.iterations * 32 / 162_000 == pytest.approx(100, rel=0.01)
    for grid in GRIDS.values():
        for axis in grid.values():
            for over in axis.values():
                build(ObjectsOptions, over)


def test_each_kind_of_pairs_has_its_view():
    views = {pairs: METHOD.view_for(options(pairs=pairs)) for pairs in ("warp", "truth", "flow")}
    assert views == {"warp": "objects", "truth": "objects_truth", "flow": "objects_flow"}


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"pairs": "still"}, "pairs is 'still': should be one of warp, truth, flow"),
        ({"model": {"network": "unet"}}, "model.network is 'unet': should be one of simple, dilations, small, hourg"),
        ({"model": {"dimensions": 1}}, "model.dimensions is 1: from 2 to 1024"),
        ({"loss": {"kind": "l2"}}, "loss.kind is 'l2': should be dist or log"),
        ({"loss": {"gamma": 0.0}}, "loss.gamma is 0.0: from 0.1 to 4"),
        ({"loss": {"motion": -1.0}}, "loss.motion is -1.0: from 0 up, or null"),
        ({"loss": {"symmetry": "rotational", "order": 1}}, "loss.order is 1: from 2 to 12"),
        ({"loss": {"symmetry": "mirror"}}, "loss.symmetry is 'mirror': should be none, bilateral or rotational"),
        ({"loss": {"symmetry": "rotational", "auxiliary": 1}}, "auxiliary is 1, and symmetry is rotational"),
        ({"loss": {"auxiliary": 1, "pool": 257}}, "loss.pool is 257: at most 256"),
        ({"loss": {"pool": 4}}, "loss.pool is 4, and auxiliary is 0: nothing is taken from it"),
        ({"loss": {"auxiliary": 5, "pool": 4}}, "loss.pool is 4, and auxiliary is 5: should be at least that"),
        ({"loss": {"auxiliary": 2}}, "loss.auxiliary is 2, and a pass has 2 images, of which one is the pair's own"),
        ({"loss": {"auxiliary": 1}, "training": {"batch_size": 1}}, "and a pass has 1 image, of which one"),
        ({"loss": {"occlusion": True}, "pairs": "flow"}, "loss.occlusion is true, and pairs is flow: only truth knows"),
        ({"pairs": "warp", "warp": {"margin": 20}}, "warp.margin is 20, and transforms.crop 48: 8 pixels are left"),
        ({"photometric": {"jpeg": [90, 30]}}, r"photometric.jpeg is \[90, 30\]: should be a lower and a higher"),
    ],
)
def test_options_that_do_not_fit_are_refused(changed: dict[str, Any], problem: str):
    with pytest.raises(ValueError, match=problem):
        options(**changed)


def test_devices_that_share_out_too_few_images_are_refused():
    chosen = options(loss={"auxiliary": 3}, training={"batch_size": 4})
    with pytest.raises(UserError, match=r"loss.auxiliary is 3, and a pass has 3 images on each device"):
        create_task(METHOD, chosen).train()(batch(chosen))


def test_a_pool_larger_than_the_data_is_refused():
    task = create_task(METHOD, options(loss=POOL))
    task.check_samples(4)
    with pytest.raises(UserError, match=r"loss.pool is 3, and there are 3 samples to train on"):
        task.check_samples(3)
