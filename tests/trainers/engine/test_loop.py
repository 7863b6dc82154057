"""The training loop: what it takes up again, what it refuses, and what processes share."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from common_fate.errors import ShardError, UserError
from trainers.engine.loop import CHECKPOINT, Machine, Task, fit
from trainers.engine.options import TrainingOptions

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


class Plane(Task):
    measures = ("error",)

    def __init__(self, dropout: float = 0.5) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.net = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Dropout(dropout), nn.Linear(16, 1))

    def forward(self, batch: dict[str, Any]) -> Tensor:
        return ((self.net(batch["x"])[:, 0] - batch["y"]) ** 2).mean()

    def measure(self, batch: dict[str, Any]) -> Tensor:
        error = (self.net(batch["x"])[:, 0] - batch["y"]).abs()
        return torch.stack([error.sum(), torch.tensor(float(len(error)))])[None]


class Bursting(Plane):
    """Its loss is not a number from the given sample on."""

    def forward(self, batch: dict[str, Any]) -> Tensor:
        loss = super().forward(batch)
        return loss * float("nan") if "clip-000003" in batch["key"] else loss


def options(**changed: Any) -> TrainingOptions:
    short = {"iterations": 12, "batch_size": 4, "learning_rate": 0.05, "validate_every": 5, "checkpoint_every": 4}
    return TrainingOptions(**(short | changed))


def weights(task: nn.Module) -> list[Tensor]:
    return [value.clone() for value in task.state_dict().values()]


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


@pytest.mark.parametrize("steps", [0, 3, 4, 5, 7, 11])
def test_a_run_taken_up_is_the_run_that_nobody_disturbed(tmp_path: Path, steps: int):
    whole, halves = Plane(), Plane()
    expected = fit(whole, Points(), Points(6), options(), tmp_path / "whole", ALONE)
    with pytest.raises(Killed):
        fit(halves, KilledAt(4 * steps + 2), Points(6), options(), tmp_path / "halves", ALONE)
    halves = Plane()
    resumed = fit(halves, Points(), Points(6), options(), tmp_path / "halves", ALONE)
    assert resumed["rows"] == expected["rows"]
    assert [row["iteration"] for row in expected["rows"] if "error" in row] == [5, 10, 12]
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(halves), strict=True))


def test_a_finished_run_is_not_trained_again(tmp_path: Path):
    first, second = Plane(), Plane()
    rows = fit(first, Points(), None, options(), tmp_path, ALONE)["rows"]
    assert fit(second, KilledAt(0), None, options(), tmp_path, ALONE)["rows"] == rows
    assert all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


def test_passes_accumulate_to_the_step(tmp_path: Path):
    """Without batch statistics and dropout, four passes of one sample are one pass of four."""
    together, apart = Plane(0), Plane(0)
    for task in (together, apart):
        task.net[1] = nn.Identity()
    fit(together, Points(), None, options(), tmp_path / "a", ALONE)
    fit(apart, Points(), None, options(device_batch=1), tmp_path / "b", ALONE)
    for a, b in zip(weights(together), weights(apart), strict=True):
        torch.testing.assert_close(a, b)


def test_any_number_of_workers_gives_the_same_weights(tmp_path: Path):
    alone, helped = Plane(), Plane()
    fit(alone, Points(), None, options(), tmp_path / "a", ALONE)
    fit(helped, Points(), None, options(), tmp_path / "b", Machine(workers=2, threads=1))
    assert all(torch.equal(a, b) for a, b in zip(weights(alone), weights(helped), strict=True))


def test_the_loss_falls(tmp_path: Path):
    task = Plane(0)
    task.net[1] = nn.Identity()
    rows = fit(task, Points(), Points(), options(iterations=200), tmp_path, ALONE)["rows"]
    assert rows[-1]["loss"] < 0.1 * rows[0]["loss"]
    assert rows[-1]["error"] < 0.5


def test_a_loss_that_is_not_finite_stops_and_names_the_samples(tmp_path: Path):
    fit(Plane(), Points(), None, options(iterations=4), tmp_path, ALONE)
    good = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(UserError, match=r"not finite at iteration \d+, on .*clip-000003.*last good state is kept in"):
        fit(Bursting(), Points(), None, options(iterations=20), tmp_path, ALONE)
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["iteration"] == 4
    assert (tmp_path / CHECKPOINT).read_bytes() == good


def test_too_few_samples_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match="batch_size is 4, and there are 3 samples"):
        fit(Plane(), Points(3), None, options(), tmp_path, ALONE)


def test_a_damaged_checkpoint_is_named(tmp_path: Path):
    (tmp_path / CHECKPOINT).write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(UserError, match=r"last\.ckpt: cannot be read .*: remove it"):
        fit(Plane(), Points(), None, options(), tmp_path, ALONE)


def test_events_are_left_for_tensorboard(tmp_path: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    rows = fit(Plane(), Points(), Points(6), options(), tmp_path, ALONE)["rows"]
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in events.Scalars("error")] == [5, 10, 12]
    assert [event.value for event in events.Scalars("loss")] == pytest.approx(
        [row["loss"] for row in rows if "loss" in row]
    )


SCRIPT = textwrap.dedent("""
    import sys, torch, os
    from pathlib import Path
    sys.path.insert(0, "tests/trainers")
    from test_running import Plane, Points, options, ALONE, fit
    from torch import nn
    task = Plane(0)
    task.net[1] = nn.Identity()
    run = fit(task, Points(), Points(7), options(), Path(sys.argv[1]), ALONE)
    torch.save([task.state_dict(), run["rows"]], f"{sys.argv[1]}/rank{os.environ['RANK']}.pt")
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
    alone = Plane(0)
    alone.net[1] = nn.Identity()
    rows = fit(alone, Points(), Points(7), options(), tmp_path / "alone", ALONE)["rows"]
    for rank in range(2):
        state, shared = torch.load(tmp_path / f"rank{rank}.pt", weights_only=True)
        torch.testing.assert_close(state, dict(alone.state_dict()))
        assert [sorted(row) for row in shared] == [sorted(row) for row in rows]
        for ours, theirs in zip(shared, rows, strict=True):
            assert ours == pytest.approx(theirs, rel=1e-4)


class Damaged(Points):
    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Any]:
        raise ShardError("000000.tar: clip-000001: its flow.b2 cannot be decoded")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_shard_is_one_line_whoever_reads_it(tmp_path: Path, workers: int):
    with pytest.raises(UserError) as refusal:
        fit(Plane(), Damaged(), None, options(), tmp_path, Machine(workers=workers, threads=1))
    assert str(refusal.value) == "000000.tar: clip-000001: its flow.b2 cannot be decoded"
