"""The training loop: what it takes up again, what it refuses, and what processes share."""

import copy
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchmetrics import Metric

from common_fate.errors import ShardError, UserError
from trainers.data.steps import StepSampler
from trainers.engine.checkpoints import CHECKPOINT
from trainers.engine.history import MAX_ROWS, Curve
from trainers.engine.loop import READ_EVERY, fit
from trainers.engine.options import GroupOptions, Machine, TrainingOptions
from trainers.engine.task import Batch, Mean, Task

ROOT = Path(__file__).resolve().parents[3]
ALONE = Machine(workers=0, threads=1)


class Points(torch.utils.data.Dataset[Any]):
    """Points on a plane; the epoch moves them a little, so that a sample drawn in another epoch shows."""

    def __init__(self, length: int = 10) -> None:
        generator = torch.Generator().manual_seed(0)
        self.x = torch.randn(length, 4, generator=generator)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Any]:
        epoch, row = index if isinstance(index, tuple) else (0, index)
        x = self.x[row] + 0.01 * epoch
        return {"key": f"clip-{row:06d}", "x": x, "y": x.sum()}


def network(dropout: float) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Dropout(dropout), nn.Linear(16, 1))


class Plane(Task):
    """Without batch statistics (`norm`) and dropout, a step is the same however it is shared."""

    def __init__(self, dropout: float = 0.5, norm: bool = True) -> None:
        super().__init__(None)
        self.net = network(dropout)
        if not norm:
            self.net[1] = nn.Identity()

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return {"square": ((self.net(batch["x"])[:, 0] - batch["y"]) ** 2).mean()}

    def metrics(self) -> dict[str, Metric]:
        return {"error": Mean()}

    def measure(self, net: nn.Module, batch: Batch, metrics: Mapping[str, Metric]) -> None:
        error = (net(batch["x"])[:, 0] - batch["y"]).abs()
        metrics["error"].update(error, torch.ones_like(error))


class Taught(Plane):
    """Learns from a frozen teacher, from a momentum teacher of its own, and from a queue of what it saw last."""

    queue: Tensor

    def __init__(self) -> None:
        Task.__init__(self, None, teacher=network(0.5))
        self.net = network(0.5)
        self.slow = copy.deepcopy(self.net).requires_grad_(False)
        self.register_buffer("queue", torch.zeros(8))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        said = self.net(batch["x"])[:, 0]
        self.queue = torch.cat([said.detach(), self.queue])[:8]
        return super().forward(batch) | {
            "teacher": (said - self.teacher(batch["x"])[:, 0]).abs().mean(),
            "slow": (said - self.slow(batch["x"])[:, 0]).abs().mean(),
            "queue": (said.mean() - self.queue.mean()).abs(),
        }

    def stepped(self, iteration: int) -> None:
        for slow, fast in zip(self.slow.parameters(), self.net.parameters(), strict=True):
            slow.lerp_(fast, 1 / (iteration + 1))


class Bursting(Plane):
    """Its loss is not a number from the given sample on."""

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        (loss,) = super().forward(batch).values()
        return {"square": loss * float("nan") if "clip-000003" in batch["key"] else loss}


class Kinked(Plane):
    """Its loss is finite, and its gradient is not."""

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return {"root": (0 * self.net(batch["x"])).sqrt().sum()}


def options(**changed: Any) -> TrainingOptions:
    short = {"iterations": 12, "batch_size": 4, "learning_rate": 0.05, "validate_every": 5, "checkpoint_every": 4}
    return TrainingOptions(**(short | changed))


def weights(task: nn.Module) -> list[Tensor]:
    return [value.clone() for value in task.state_dict().values()]


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


def mean_error(task: Plane, points: Points) -> float:
    """The metric of `Plane` by itself."""
    task.eval()
    samples = [points[index] for index in range(len(points))]
    errors = [(task.net(sample["x"][None])[0, 0] - sample["y"]).abs().item() for sample in samples]
    return sum(errors) / len(errors)


class Killed(Exception):
    pass


class KilledAt(Points):
    """Dies as the given number of samples have been asked for."""

    def __init__(self, samples: int) -> None:
        super().__init__()
        self.left = samples

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Any]:
        self.left -= 1
        if self.left < 0:
            raise Killed
        return super().__getitem__(index)


def check_resumed(folder: Path, task: type[Plane], steps: int, how: TrainingOptions) -> list[dict[str, float]]:
    whole, halves = task(), task()
    expected = fit(whole, Points(), Points(6), how, folder / "whole", ALONE)
    with pytest.raises(Killed):
        fit(halves, KilledAt(4 * steps + 2), Points(6), how, folder / "halves", ALONE)
    halves = task()
    resumed = fit(halves, Points(), Points(6), how, folder / "halves", ALONE)
    assert resumed["rows"] == expected["rows"]
    assert same(whole, halves)
    return expected["rows"]


@pytest.mark.parametrize("steps", [0, 3, 4, 5, 7, 11])
def test_a_run_taken_up_is_the_run_that_nobody_disturbed(tmp_path: Path, steps: int):
    rows = check_resumed(tmp_path, Plane, steps, options())
    assert [row["iteration"] for row in rows] == list(range(1, 13))
    assert [row["iteration"] for row in rows if "validation.error" in row] == [5, 10, 12]


OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": "sgd", "accumulation": 2},
    "adam": {"optimizer": "adam", "clip_norm": 0.5},
    "amsgrad": {"optimizer": "adam", "amsgrad": True},
    "adamw": {"optimizer": "adamw", "decay_norms": False, "groups": {"0": GroupOptions(0.1, 0.2)}},
}


@pytest.mark.parametrize("ema", [None, 0.8])
@pytest.mark.parametrize("task", [Plane, Taught])
@pytest.mark.parametrize("schedule", ["multistep", "polynomial", "cosine", "constant"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_it_is_whatever_the_options(
    tmp_path: Path, optimizer: str, schedule: str, task: type[Plane], ema: float | None
):
    how = {"schedule": schedule, "warmup": 3, "ema": ema, "learning_rate": 0.01} | OPTIMIZERS[optimizer]
    check_resumed(tmp_path, task, 6, options(**how))


def test_the_default_is_plain_sgd_with_a_tenth_of_the_rate_after_each_milestone(tmp_path: Path):
    ours, plain = Plane(0), Plane(0)
    fit(ours, Points(), None, options(), tmp_path, ALONE)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    points = Points()
    for step, batch in enumerate(StepSampler(10, seed=0, iterations=12, batch_size=4)):
        optimizer.param_groups[0]["lr"] = 0.05 * 0.1 ** ((step >= 2 / 3.5 * 12) + (step >= 3 / 3.5 * 12))
        (loss,) = plain(torch.utils.data.default_collate([points[index] for index in batch])).values()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert same(ours, plain)


def test_the_curve_has_the_sum_of_the_losses_and_each_of_them(tmp_path: Path):
    named = fit(Taught(), Points(), None, options(), tmp_path / "a", ALONE)["rows"]
    parts = ("loss.square", "loss.teacher", "loss.slow", "loss.queue")
    for row in named:
        assert list(row) == ["iteration", "learning_rate", "loss", *parts]
        assert row["loss"] == pytest.approx(sum(row[part] for part in parts))
    single = fit(Plane(), Points(), None, options(), tmp_path / "b", ALONE)["rows"]
    assert list(single[0]) == ["iteration", "learning_rate", "loss"]


def test_a_teacher_stays_as_it_is(tmp_path: Path):
    task = Taught()
    before = weights(task.teacher)
    task.train()
    assert task.net.training
    assert not any(module.training for module in task.teacher.modules())
    fit(task, Points(), Points(6), options(), tmp_path, ALONE)
    assert all(torch.equal(a, b) for a, b in zip(weights(task.teacher), before, strict=True))
    assert not any(parameter.requires_grad for parameter in task.teacher.parameters())


class Noting(Plane):
    """Notes the weights after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[list[Tensor]] = [weights(self.net)]

    def stepped(self, iteration: int) -> None:
        assert iteration == len(self.noted)
        self.noted.append(weights(self.net))


def test_the_average_of_the_weights_is_what_is_measured_and_kept(tmp_path: Path):
    task = Noting()
    rows = fit(task, Points(), Points(6), options(ema=0.8), tmp_path, ALONE)["rows"]
    average, *steps = task.noted
    for step in steps:
        average = [
            torch.lerp(old, new, 0.2) if new.is_floating_point() else new
            for old, new in zip(average, step, strict=True)
        ]
    torch.testing.assert_close(weights(task.net), average)
    assert rows[-1]["validation.error"] == pytest.approx(mean_error(task, Points(6))), "the last batch is smaller"


class Rising(Noting):
    """What is measured of it is lowest after the second validation of three."""

    best_by = "error"

    def measure(self, net: nn.Module, batch: Batch, metrics: Mapping[str, Metric]) -> None:
        value = {5: 0.3, 10: 0.2, 12: 0.25}[len(self.noted) - 1]
        metrics["error"].update(torch.tensor(value), torch.tensor(1.0))


@pytest.mark.parametrize("ema", [None, 0.8])
def test_the_best_weights_are_kept_where_they_are_asked_for(tmp_path: Path, ema: float | None):
    task, shorter, last = Rising(), Rising(), Rising()
    fit(task, Points(), Points(6), options(keep="best", ema=ema, schedule="constant"), tmp_path / "a", ALONE)
    fit(last, Points(), Points(6), options(ema=ema, schedule="constant"), tmp_path / "b", ALONE)
    fit(shorter, Points(), Points(6), options(iterations=10, ema=ema, schedule="constant"), tmp_path / "c", ALONE)
    assert same(task.net, shorter.net)
    assert not same(task.net, last.net)


class Best(Plane):
    best_by = "error"


@pytest.mark.parametrize("steps", [3, 7, 11])
def test_the_best_weights_are_those_of_the_run_that_nobody_disturbed(tmp_path: Path, steps: int):
    check_resumed(tmp_path, Best, steps, options(keep="best"))


def test_best_weights_that_nothing_tells_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match="keep is best, and this method does not say by what: set it to last"):
        fit(Plane(), Points(), Points(6), options(keep="best"), tmp_path, ALONE)
    with pytest.raises(UserError, match="keep is best, and no video is held out: give validation a share"):
        fit(Best(), Points(), None, options(keep="best"), tmp_path, ALONE)


def test_gradients_are_clipped_together(tmp_path: Path):
    task = Noting()
    fit(task, Points(), None, options(iterations=1, clip_norm=0.01, weight_decay=0.0), tmp_path, ALONE)
    names = [name for name, _ in task.net.named_parameters()]
    first, second = (dict(zip(task.net.state_dict(), noted, strict=True)) for noted in task.noted)
    moved = torch.cat([(first[name] - second[name]).flatten() for name in names]).norm().item()
    assert moved == pytest.approx(0.05 * 0.01, rel=1e-3)


@pytest.mark.parametrize("channels_last", [True, False])
def test_the_memory_layout_is_an_option(tmp_path: Path, channels_last: bool):
    task = Plane(0)
    task.net = nn.Sequential(nn.Unflatten(1, (1, 2, 2)), nn.Conv2d(1, 8, 1), nn.Conv2d(8, 1, 2), nn.Flatten())
    fit(task, Points(), None, options(channels_last=channels_last), tmp_path, ALONE)
    assert task.net[2].weight.is_contiguous(memory_format=torch.channels_last) == channels_last


def test_a_finished_run_is_not_trained_again(tmp_path: Path):
    first, second = Plane(), Plane()
    rows = fit(first, Points(), None, options(), tmp_path, ALONE)["rows"]
    took = torch.load(tmp_path / "last.ckpt", weights_only=True)["seconds"]
    again = fit(second, KilledAt(0), None, options(), tmp_path, ALONE)
    assert again["rows"] == rows
    assert again["seconds"] >= took > 0, "what it took in all, for whoever was killed before it was written down"
    assert same(first, second)


def test_passes_accumulate_to_the_step(tmp_path: Path):
    """Without batch statistics and dropout, four passes of one sample are one pass of four."""
    together, apart = Plane(0, norm=False), Plane(0, norm=False)
    whole = fit(together, Points(), None, options(), tmp_path / "a", ALONE)["rows"]
    summed = fit(apart, Points(), None, options(accumulation=4), tmp_path / "b", ALONE)["rows"]
    for one, other in zip(whole, summed, strict=True):
        assert other == pytest.approx(one, rel=1e-4)
    for a, b in zip(weights(together), weights(apart), strict=True):
        torch.testing.assert_close(a, b)


def test_any_number_of_workers_gives_the_same_weights(tmp_path: Path):
    alone, helped = Plane(), Plane()
    fit(alone, Points(), None, options(), tmp_path / "a", ALONE)
    fit(helped, Points(), None, options(), tmp_path / "b", Machine(workers=2, threads=1))
    assert same(alone, helped)


def test_the_loss_falls(tmp_path: Path):
    task = Plane(0, norm=False)
    rows = fit(task, Points(), Points(), options(iterations=200), tmp_path, ALONE)["rows"]
    assert rows[-1]["loss"] < 0.1 * rows[0]["loss"]
    assert rows[-1]["validation.error"] < 0.5


def test_a_loss_that_is_not_finite_stops_and_names_the_samples(tmp_path: Path):
    fit(Plane(), Points(), None, options(iterations=4), tmp_path, ALONE)
    good = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(UserError, match=r"not finite at iteration \d+, on .*clip-000003.*last good state is kept in"):
        fit(Bursting(), Points(), None, options(iterations=20), tmp_path, ALONE)
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["iteration"] == 4
    assert (tmp_path / CHECKPOINT).read_bytes() == good


@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("checkpoint_every", [1, 100])
def test_it_names_the_first_such_step_however_late_it_is_read(tmp_path: Path, accumulation: int, checkpoint_every: int):
    passes = StepSampler(40, seed=0, iterations=20, batch_size=4, accumulation=accumulation)
    keys = [[f"clip-{row:06d}" for _, row in batch] for batch in passes]
    first = next(number for number, batch in enumerate(keys) if "clip-000003" in batch)
    assert first // accumulation % READ_EVERY not in (0, READ_EVERY - 1)
    how = options(iterations=20, accumulation=accumulation, checkpoint_every=checkpoint_every)
    with pytest.raises(UserError) as refusal:
        fit(Bursting(), Points(40), None, how, tmp_path, ALONE)
    said = f"the loss is not finite at iteration {first // accumulation}, on {', '.join(keys[first])}: lower"
    assert str(refusal.value).startswith(said)
    assert (tmp_path / CHECKPOINT).exists() == (checkpoint_every == 1)
    if checkpoint_every == 1:
        assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["iteration"] == first // accumulation


class Waiting(Plane):
    """Notes how often the device was waited for before each step was over."""

    def __init__(self, waits: list[str]) -> None:
        super().__init__()
        self.waits, self.noted = waits, list[int]()

    def stepped(self, iteration: int) -> None:
        self.noted.append(len(self.waits))


def test_no_step_waits_for_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    waits: list[str] = []

    def noting(name: str) -> Any:
        original = getattr(Tensor, name)

        def noted(*arguments: Any, **named: Any) -> Any:
            waits.append(name)
            return original(*arguments, **named)

        return noted

    for name in ("item", "tolist", "numpy", "cpu", "__bool__", "__float__", "__int__"):
        monkeypatch.setattr(Tensor, name, noting(name))
    task = Waiting(waits)
    how = options(iterations=2 * READ_EVERY, validate_every=100, checkpoint_every=100, clip_norm=1.0, ema=0.9)
    rows = fit(task, Points(), Points(6), how, tmp_path, ALONE)["rows"]
    assert len(set(task.noted[:READ_EVERY])) == 1
    assert len(set(task.noted[READ_EVERY:])) == 1, "only between them"
    assert len(rows) == 2 * READ_EVERY, "and nothing is lost"


def test_weights_that_are_not_finite_are_never_kept(tmp_path: Path):
    with pytest.raises(UserError, match=r"the weights are not finite after iteration 0: lower training\.learning_rate"):
        fit(Kinked(), Points(), None, options(checkpoint_every=1), tmp_path, ALONE)
    assert not (tmp_path / CHECKPOINT).exists()


class Stuck(Plane):
    """From an iteration on its loss is exactly 0."""

    idle = "raise the warm-up"
    done: Tensor

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after
        self.register_buffer("done", torch.zeros(()))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        (loss,) = super().forward(batch).values()
        return {"square": loss * (self.done < self.after)}

    def stepped(self, iteration: int) -> None:
        self.done.fill_(iteration)


def test_a_loss_that_stays_0_stops_where_it_means_that_nothing_is_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("trainers.engine.loop.IDLE", 6)
    how = options(iterations=40, learning_rate=0.001)
    says = "the loss is exactly 0 since iteration 8, so nothing is learnt: raise the warm-up"
    for _ in range(2):  # taken up from its checkpoint, it is no different
        with pytest.raises(UserError, match=says):
            fit(Stuck(8), Points(), None, how, tmp_path, ALONE)
        assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["iteration"] == 12
    fit(Stuck(35), Points(), None, how, tmp_path / "late", ALONE)
    monkeypatch.setattr(Stuck, "idle", "")
    fit(Stuck(8), Points(), None, how, tmp_path / "any", ALONE)


def test_a_short_run_stops_where_all_of_it_lost_nothing(tmp_path: Path):
    with pytest.raises(UserError, match="exactly 0 since iteration 0, so nothing is learnt"):
        fit(Stuck(0), Points(), None, options(), tmp_path / "a", ALONE)
    fit(Stuck(1), Points(), None, options(), tmp_path / "b", ALONE)


@pytest.mark.parametrize("iterations", [1000, 2500])
def test_a_curve_counts_the_iterations_of_no_loss(iterations: int):
    curve, every = Curve(iterations), -(-iterations // MAX_ROWS)
    losses = [float(number % 40 < 15 and number < 2000) for number in range(iterations)]
    for number in range(iterations):
        curve.add_losses(number + 1, {"loss": losses[number]}, 0.1)
        if number % 7:
            continue
        curve.add_validation(number + 1, {"validation.error": 1.0})
        zeros = next((back for back in range(number + 1) if losses[number - back]), number + 1)
        assert zeros - every < curve.zeros() <= zeros


def test_too_few_samples_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match="batch_size is 4, and there are 3 samples"):
        fit(Plane(), Points(3), None, options(), tmp_path, ALONE)


def test_a_damaged_checkpoint_is_named(tmp_path: Path):
    (tmp_path / CHECKPOINT).write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(UserError, match=r"last\.ckpt: cannot be read .*: remove it"):
        fit(Plane(), Points(), None, options(), tmp_path, ALONE)


def test_a_checkpoint_of_another_network_is_named(tmp_path: Path):
    fit(Plane(), Points(), None, options(), tmp_path, ALONE)
    with pytest.raises(UserError, match=r"last\.ckpt: cannot be read .*: remove it"):
        fit(Taught(), Points(), None, options(), tmp_path, ALONE)


@pytest.mark.parametrize("accumulation", [1, 2])
def test_a_step_that_the_devices_cannot_share_is_refused(tmp_path: Path, monkeypatch, accumulation: int):
    monkeypatch.setattr("trainers.engine.loop.start_fabric", lambda *_: SimpleNamespace(world_size=3, global_rank=0))
    with pytest.raises(UserError, match=r"batch_size is 4, which 3 devices cannot share evenly.*: take a multiple"):
        fit(Plane(), Points(), None, options(accumulation=accumulation), tmp_path, ALONE)


def test_events_are_left_for_tensorboard(tmp_path: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    rows = fit(Plane(), Points(), Points(6), options(), tmp_path, ALONE)["rows"]
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in events.Scalars("validation.error")] == [5, 10, 12]
    assert [event.value for event in events.Scalars("loss")] == pytest.approx(
        [row["loss"] for row in rows if "loss" in row]
    )


SCRIPT = textwrap.dedent("""
    import sys, torch, os
    from pathlib import Path
    from tests.trainers.engine.test_loop import Plane, Taught, Points, options, ALONE, fit
    task = Plane(0, norm=False)
    run = fit(task, Points(), Points(7), options(ema=0.8, clip_norm=1.0), Path(sys.argv[1]), ALONE)
    own = Taught()  # normalises each process's samples apart
    with_norms = fit(own, Points(), Points(7), options(ema=0.8), Path(sys.argv[1], "norms"), ALONE)
    state = [task.state_dict(), run["rows"], own.net.state_dict(), with_norms["rows"]]
    torch.save(state, f"{sys.argv[1]}/rank{os.environ['RANK']}.pt")
""")


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path: Path):
    """Over torchrun, as on two GPUs: without batch statistics the step is the same, and so is the validation."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launch, str(tmp_path)], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    alone = Plane(0, norm=False)
    rows = fit(alone, Points(), Points(7), options(ema=0.8, clip_norm=1.0), tmp_path / "alone", ALONE)["rows"]
    for rank in range(2):
        state, shared, _, _ = torch.load(tmp_path / f"rank{rank}.pt", weights_only=True)
        torch.testing.assert_close(state, dict(alone.state_dict()))
        assert [sorted(row) for row in shared] == [sorted(row) for row in rows]
        for ours, theirs in zip(shared, rows, strict=True):
            assert ours == pytest.approx(theirs, rel=1e-4)
    _, _, normalised, shared = torch.load(tmp_path / "rank0.pt", weights_only=True)
    kept = Taught()
    kept.net.load_state_dict(normalised)
    assert shared[-1]["validation.error"] == pytest.approx(mean_error(kept, Points(7))), "of the network that is kept"


class Damaged(Points):
    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Any]:
        raise ShardError("000000.tar: clip-000001: its flow.b2 cannot be decoded")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_shard_is_one_line_whoever_reads_it(tmp_path: Path, workers: int):
    with pytest.raises(UserError) as refusal:
        fit(Plane(), Damaged(), None, options(), tmp_path, Machine(workers=workers, threads=1))
    assert str(refusal.value) == "000000.tar: clip-000001: its flow.b2 cannot be decoded"
