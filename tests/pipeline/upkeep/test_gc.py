"""What `gc` lists and deletes, and what it never touches."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from common_fate.datasets.catalog import write_plan
from common_fate.datasets.verify import verify
from common_fate.errors import UserError
from common_fate.shards.files import atomic
from common_fate.shards.folders import alone
from pipeline.cli.app import app
from pipeline.upkeep.gc import leftovers
from tests.support.clean_forks import CLEAN
from tests.support.made_dataset import make_dataset
from tests.support.sharing_commands import pipeline

ROOT = Path(__file__).resolve().parents[3]
OLD = 48 * 3600


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A dataset whose every file is two days old, in a folder beside which Snakemake was."""
    make_dataset(tmp_path / "results/made")
    aged(*(path for path in (tmp_path / "results").rglob("*") if path.is_file()))
    return tmp_path / "results"


def aged(*paths: Path) -> None:
    for path in paths:
        os.utime(path, (time.time() - OLD, time.time() - OLD), follow_symlinks=False)


def left(path: Path) -> Path:
    """A file of two days ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"left")
    aged(path)
    return path


def found(folder: Path, hours: float = 24) -> set[str]:
    return {str(leftover.path.relative_to(folder)) for leftover in leftovers(folder, time.time() - 3600 * hours)}


def gc(results: Path, *arguments: str) -> str:
    """What the command prints, run where `results` stands."""
    with contextlib.chdir(results.parent):
        done = CliRunner().invoke(app, ["gc", *arguments])
    if done.exception:
        raise done.exception
    return done.stdout


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_finished_dataset_has_no_leftovers(results: Path):
    assert found(results) == found(results / "made") == set()


def test_a_file_of_a_killed_run_is_listed_and_deleted_when_told(results: Path):
    tar = results / "made/flow/000001.tar"
    script = (
        "import time\nfrom pathlib import Path\nfrom common_fate.shards.files import atomic\n"
        f"with atomic(Path({str(tar)!r})) as file:\n    file.write(bytes(5000))\n    time.sleep(60)\n"
    )
    run = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    while not (stale := list(tar.parent.glob(".*.tar.????????.tmp"))):
        assert run.poll() is None
        time.sleep(0.01)
    assert found(results) == set(), "a run may be writing it"
    run.send_signal(signal.SIGKILL)
    run.wait()
    aged(*stale)
    before = tree(results)
    line = (
        f"results/made/flow/{stale[0].name}  {stale[0].stat().st_size:,} bytes, temporary file of a run that was killed"
    )
    size = f"1 file, {stale[0].stat().st_size:,} bytes"
    listed = gc(results, "results")
    assert listed.splitlines() == [line, f"results: {size}: nothing is deleted without --delete"]
    assert tree(results) == before
    deleted = gc(results, "results", "--delete")
    assert deleted.splitlines() == [line, f"results: deleted {size}"]
    assert before - tree(results) == {f"made/flow/{stale[0].name}"}
    assert gc(results, "results/made", "--delete") == "results/made: deleted 0 files, 0 bytes\n"


def test_shards_that_the_plan_no_longer_names_are_leftovers(results: Path):
    write_plan(results / "made/plan.json", [["ape"], ["bee"]])
    gone = {
        f"{place}/000002.{suffix}"
        for place in ("frames", "flow", "guidance", "truth", "shards/cmp")
        for suffix in ("tar", "json")
    }
    assert found(results / "made") == gone
    gc(results, "results/made", "--delete")
    assert not [path for path in tree(results / "made") if "000002" in path]
    assert verify(results / "made/frames", full=True) == []


def test_temporary_files_everywhere_that_runs_write_are_found(results: Path):
    names = {
        "made/.catalog.parquet.0123abcd.tmp",
        "made/shards/cmp/.samples.parquet.0123abcd.tmp",
        "made/shards/theirs/.000000.tar.0123abcd.tmp",
        "experiments/demo/.encoder.safetensors.0123abcd.tmp",
        "report/made/.columns.html.0123abcd.tmp",
    }
    for name in names:
        left(results / name)
    assert found(results) == names


def test_what_it_does_not_know_it_does_not_touch(results: Path, tmp_path: Path):
    outside = left(tmp_path / "elsewhere/frames/.000000.tar.0123abcd.tmp")
    left(tmp_path / "elsewhere/frames/000009.tar")
    for name in (
        "made/frames/notes.txt",
        "made/frames/notes.tmp",
        "made/frames/.notes.tmp",
        "made/frames/.000000.tar.0123ABCD.tmp",
        "made/frames/9.tar",
        "made/frames/000009.tar.gz",
        "made/shards/theirs/000009.tar",
        "made/mine/000009.tar",
        "made/mine/.000000.tar.0123abcd.tmp",
        "made/frames/deeper/.000000.tar.0123abcd.tmp",
        "mine/.000000.tar.0123abcd.tmp",
        ".000000.tar.0123abcd.tmp",
    ):
        left(results / name)
    (results / "made/flow/.000000.tar.0123abcd.tmp").symlink_to(outside)
    (results / "made/flow/000009.tar").symlink_to(outside)
    (results / "made/regions").symlink_to(outside.parent)
    (results / "linked").symlink_to(results / "made")
    (results / "experiments").symlink_to(outside.parent)
    aged(*(path for path in results.rglob("*") if path.is_symlink()))
    assert found(results) == set()


@pytest.mark.parametrize(("hours", "listed"), [(1, {"made/flow/.000000.tar.0123abcd.tmp"}), (24, set())])
def test_how_old_is_for_the_user_to_say(results: Path, hours: float, listed: set[str]):
    path = left(results / "made/flow/.000000.tar.0123abcd.tmp")
    os.utime(path, (time.time() - 7200, time.time() - 7200))
    assert found(results, hours) == listed


def test_a_file_from_the_future_is_young(results: Path):
    path = left(results / "made/flow/.000000.tar.0123abcd.tmp")
    os.utime(path, (time.time() + OLD, time.time() + OLD))
    assert found(results, 0) == set()


@pytest.mark.parametrize("folder", ["results", "results/made"])
def test_while_snakemake_holds_its_lock_nothing_is_deleted(results: Path, folder: str):
    stale = left(results / "made/flow/.000000.tar.0123abcd.tmp")
    (results.parent / ".snakemake/locks").mkdir(parents=True)
    (results.parent / ".snakemake/locks/0.input.lock").touch()
    assert stale.name in gc(results, folder), "listing harms nobody"
    with pytest.raises(UserError, match="a run of Snakemake is going on, or was killed"):
        gc(results, folder, "--delete")
    assert stale.exists()
    gc(results, folder, "--delete", "--despite-lock")
    assert not stale.exists()


def test_what_a_job_is_writing_is_no_leftover_however_long_it_takes(results: Path):
    """A record is opened first and written last: its temporary file is as old as the job."""
    with atomic(results / "made/flow/000001.json"), alone(results / "made"), alone(results / "new"):
        aged(*(results / "made/flow").glob(".*"), *results.glob(".*"))
        staging = left(results / ".new.adopt.0123abcd.tmp/plan.json").parent
        aged(staging)
        assert len(list((results / "made/flow").glob(".*"))) == 2
        assert found(results) == set()
        with pytest.raises(UserError, match="results/made: another command is writing it: wait until it is done"):
            gc(results, "results", "--delete")
    assert found(results) == {staging.name}


def killed_at(moment: int, *command: str) -> None:
    """Runs a command in another process, which ends when it is about to move a file for the N-th time."""
    process = CLEAN.Process(target=run_until, args=(moment, os.getcwd(), *command))
    process.start()
    process.join()
    assert process.exitcode == 9


def run_until(moment: int, place: str, *command: str) -> None:
    moves = iter(range(moment))
    os.replace, real = lambda *paths: real(*paths) if next(moves, None) is not None else os._exit(9), os.replace
    pipeline(Path(place), *command)


def test_what_a_killed_adoption_left_is_listed_and_deleted(results: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(results.parent)
    killed_at(3, "adopt", "results/made/shards/cmp", "--dataset", "new")
    (staging,) = results.glob(".new.adopt.*.tmp")
    (lock,) = results.glob(".new.tmp")
    assert found(results) == set(), "it is young"
    aged(lock, staging, *staging.rglob("*"))
    size = sum(path.stat().st_size for path in staging.rglob("*") if path.is_file())
    listed = gc(results, "results", "--delete").splitlines()
    assert listed == [
        f"results/{staging.name}  {size:,} bytes, of an adoption that was killed",
        f"results/{lock.name}  0 bytes, lock of a run that was killed",
        f"results: deleted 2 files, {size:,} bytes",
    ]
    assert [path.name for path in results.iterdir()] == ["made"]


def test_an_older_version_that_is_all_there_is_of_a_dataset_is_no_leftover(results: Path):
    left(results / ".gone.old.0123abcd.tmp/plan.json")
    left(results / ".made.old.0123abcd.tmp/plan.json")
    aged(*results.glob(".*.tmp"))
    assert found(results) == {".made.old.0123abcd.tmp"}


def test_an_empty_lock_of_a_killed_run_is_a_leftover(results: Path):
    """`merge` and `share` let a shard that stands be, and never come to its lock."""
    locks = {"made/.plan.json.tmp", "made/shards/cmp/.000001.tar.tmp", "experiments/one/.train.json.tmp", ".made.tmp"}
    for name in locks:
        left(results / name).write_bytes(b"")
    aged(*(results / name for name in locks))
    assert found(results) == locks
    gc(results, "results", "--delete")
    assert not [name for name in tree(results) if name.endswith(".tmp")]


def test_a_folder_that_is_no_results_is_refused(tmp_path: Path):
    left(tmp_path / ".notes.txt.0123abcd.tmp")
    with pytest.raises(UserError, match="neither a dataset"):
        list(leftovers(tmp_path, time.time()))
