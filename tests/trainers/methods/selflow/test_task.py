"""What the task makes of a batch: flow between all frames, and losses that train the student alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from common_fate.errors import UserError
from pipeline.columns.flow.networks.layers import warp
from pipeline.columns.flow.occlusion import occluded_pixels
from trainers.data.split import Split
from trainers.engine.loop import fit
from trainers.engine.options import Machine, build
from trainers.engine.train import create_task
from trainers.methods.selflow.method import METHOD
from trainers.methods.selflow.options import SelFlowOptions
from trainers.methods.selflow.task import SelFlow, pairs
from trainers.models.saving import save_model

SIDE = 64


def options(name: str = "small", frames: int = 2, **changed: Any) -> SelFlowOptions:
    network = {"name": name, "frames": frames}
    return build(SelFlowOptions, {"network": network, "transforms": {"crop": SIDE}} | changed)


def batch(size: int = 2, **more: torch.Tensor) -> dict[str, Any]:
    torch.manual_seed(0)
    frames = torch.rand(size, 3, 3, SIDE, SIDE)
    valid = torch.ones(size, SIDE, SIDE, dtype=torch.bool)
    return {"key": [f"v-{n:06d}" for n in range(size)], "frames": frames, "valid": valid} | more


class Told(nn.Module):
    """A network of two frames whose flow is given, `(2 B, 2, H, W)`: there, and back."""

    frames = 2

    def __init__(self, flow: Tensor) -> None:
        super().__init__()
        self.flow = nn.Parameter(flow)

    def forward(self, frames: Tensor) -> Tensor:
        return self.flow[: len(frames)]


@pytest.mark.parametrize(("name", "frames", "count"), [("small", 2, 2), ("selflow", 2, 2), ("selflow", 3, 4)])
def test_flow_goes_there_and_back_between_all_frames(name: str, frames: int, count: int):
    torch.manual_seed(1)
    net = SelFlow.network(options(name, frames)).eval()
    images = batch()["frames"]
    with torch.no_grad():
        found = pairs(net, images)
    assert len(found) == count
    for there, back in zip(found[::2], found[1::2], strict=True):
        assert there.first.equal(back.second)
        assert there.second.equal(back.first)
        assert there.flow.equal(back.back)
        assert there.back.equal(back.flow)
    assert found[0].first.equal(images[:, 1])
    assert found[0].second.equal(images[:, 2])
    read = images if frames == 3 else images[:, 1:]
    torch.testing.assert_close(found[0].flow, net(read), atol=1e-5, rtol=1e-4)
    if frames == 2:
        with torch.no_grad():
            assert pairs(net, read)[0].flow.equal(found[0].flow)


def test_with_a_teacher_the_student_alone_is_trained():
    torch.manual_seed(2)
    chosen = options(loss={"kind": "occ", "warmup": 1})
    teacher = SelFlow.network(chosen)
    task = SelFlow(chosen, teacher).train()
    given = batch()
    losses = task(given | {"noised": given["frames"].flip(0), "corner": torch.zeros(2, 2, dtype=torch.int64)})
    assert set(losses) == {"photometric", "self_supervision"}
    nowhere = torch.zeros_like(given["valid"])
    padding = task(given | {"noised": given["frames"], "corner": torch.zeros(2, 2).long(), "valid": nowhere})
    assert not any(padding.values())
    sum(losses.values()).backward()
    assert all(weight.grad is None for weight in teacher.parameters())
    assert any(weight.grad is not None and weight.grad.any() for weight in task.net.parameters())


def test_the_student_may_see_a_part_of_what_its_teacher_does():
    torch.manual_seed(2)
    chosen = options(loss={"kind": "occ"}, hallucination={"crop": 32, "shape": "none"})
    teacher = SelFlow.network(chosen)
    task = SelFlow(chosen, teacher)
    task.net.load_state_dict(teacher.state_dict())
    given = batch()
    losses = task(given | {"noised": given["frames"], "corner": torch.tensor([[0, 32], [7, 3]])})
    assert all(loss.isfinite() for loss in losses.values())


def test_occluded_pixels_count_until_the_warm_up_is_over():
    torch.manual_seed(3)
    task = SelFlow(options(loss={"kind": "noc", "warmup": 2, "census": False}))
    given = batch()
    with torch.no_grad():
        everywhere = task(given)["photometric"]
        task.stepped(1)
        assert task(given)["photometric"].equal(everywhere)
        task.stepped(2)
        assert not task(given)["photometric"].equal(everywhere)


def test_what_is_visible_and_on_the_image_counts_and_its_share_is_measured():
    rng = np.random.default_rng(5)
    flow = rng.normal(0, 0.6, (4, 2, SIDE, SIDE)).astype(np.float32)
    task = SelFlow(options(loss={"kind": "noc", "census": False}))
    task.net = Told(torch.from_numpy(flow))
    given = batch()
    given["valid"][:, :, SIDE // 2 :] = False
    _, this, after = given["frames"].unbind(1)
    errors, visible = [], []
    for first, second, there, back in ((this, after, flow[:2], flow[2:]), (after, this, flow[2:], flow[:2])):
        seen = np.stack([~occluded_pixels(*both) for both in zip(there, back, strict=True)])[..., : SIDE // 2]
        difference = (first - warp(second, torch.from_numpy(there))).abs().numpy()[..., : SIDE // 2]
        errors.append(((difference + 0.01) ** 0.4).mean(1)[seen].mean())
        visible.append(seen.mean())
    assert 0.2 < min(visible) < max(visible) < 0.8
    with torch.no_grad():
        assert task(given)["photometric"].item() == pytest.approx(np.mean(errors), rel=1e-3)
        metrics = task.metrics()
        task.measure(task.net, given, metrics)
        assert metrics["visible"].compute().item() == pytest.approx(np.mean(visible), rel=1e-2)
        assert metrics["photometric"].compute().item() == pytest.approx(np.mean(errors), rel=1e-3)
        metrics = task.metrics()
        task.measure(Told(torch.full((4, 2, SIDE, SIDE), 99.0)), given, metrics)
    assert metrics["visible"].compute() == 0
    assert metrics["photometric"].compute().isnan(), "an error of 0 would look perfect"


class Alike(torch.utils.data.Dataset[Any]):
    """One sample, as often as asked for."""

    def __init__(self, sample: dict[str, Any]) -> None:
        self.sample = sample

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: Any) -> dict[str, Any]:
        return {"key": "v-000000"} | {name: value[0] for name, value in self.sample.items() if name != "key"}


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("noc", r"every pixel is taken for occluded, as flow .*: raise loss\.warmup, which is 0, so that"),
        ("supervised", r"the exact flow is valid nowhere in what is trained on$"),
    ],
)
def test_training_stops_where_no_pixel_counts(tmp_path: Path, kind: str, says: str):
    short = {"iterations": 2, "batch_size": 1, "checkpoint_every": 1}
    chosen = options(loss={"kind": kind}, training=short)
    task = SelFlow(chosen)
    nowhere = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    given = batch(1, flow=torch.zeros(1, 2, SIDE, SIDE), valid=nowhere)
    if kind == "noc":
        task.net = Told(torch.full((2, 2, SIDE, SIDE), 3.0))
        given |= {"valid": ~nowhere}
    with pytest.raises(UserError, match=rf"the loss is exactly 0 since iteration 0, so nothing is learnt: {says}"):
        fit(task, Alike(given), None, chosen.training, tmp_path, Machine(workers=0, threads=1))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "frames"), [("small", 2), ("liteflownet", 2), ("selflow", 3)])
def test_exact_flow_is_learnt(name: str, frames: int):
    torch.manual_seed(4)
    task = SelFlow(options(name, frames, loss={"kind": "supervised", "exponent": 1.0}))
    flow = torch.tensor([3.0, -2.0])[:, None, None].expand(1, 2, SIDE, SIDE)
    valid = torch.ones(1, SIDE, SIDE, dtype=torch.bool)
    valid[:, :8] = False
    unknown = torch.where(valid[:, None], flow, torch.full_like(flow, torch.nan))
    given = batch(1, flow=unknown, valid=valid)
    optimizer = torch.optim.AdamW(task.net.parameters(), 1e-3)
    first = None
    for _ in range(30):
        loss = task(given)["supervised"]
        first = first or loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.6 * first


def test_a_teacher_that_is_missing_or_of_no_use_is_refused(tmp_path):
    chosen = options(loss={"kind": "occ"})
    with pytest.raises(UserError, match="selflow with these options needs a teacher: give one"):
        create_task(METHOD, chosen)
    save_model(tmp_path / "model.safetensors", SelFlow.network(chosen), METHOD, chosen, Split(0.1))
    assert create_task(METHOD, chosen, teacher=tmp_path / "model.safetensors").teacher is not None
    half = options(loss={"kind": "occ"}, transforms={"crop": 32})
    wide = options("selflow", 2)
    save_model(tmp_path / "wide.safetensors", SelFlow.network(wide), METHOD, wide, Split(0.1))
    with pytest.raises(
        UserError, match=r"wide\.safetensors: its network, selflow, reads .* multiples of 64: transforms"
    ):
        create_task(METHOD, half, teacher=tmp_path / "wide.safetensors")
    with pytest.raises(UserError, match="has no use for a teacher: leave it out"):
        create_task(METHOD, options(), teacher=tmp_path / "model.safetensors")
