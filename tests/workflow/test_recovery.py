"""What befalls results between two runs: the same command, or one that is named, ends in the same bytes."""

import os
import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.support.clips import write_clip
from tests.support.workspace import SMALL, Workspace

pytestmark = [pytest.mark.slow, pytest.mark.faults]


COLUMNS = ("--", "guidance", "truth", "shards")  # all but the reports, which take longer than all else


def moved(workspace: Workspace, to: Path) -> Workspace:
    """The results alone, elsewhere, with their time stamps."""
    to.mkdir()
    for name in ("results", "config.yaml"):
        subprocess.run(["cp", "-a", str(workspace.folder / name), str(to)], check=True)
    return Workspace(to)


def files(workspace: Workspace) -> list[Path]:
    return sorted(path for path in (workspace.folder / "results").rglob("*") if path.is_file())


def test_moved_results_are_up_to_date(built: Workspace, tmp_path: Path):
    assert not moved(built, tmp_path / "moved").planned()


def test_copied_results_with_other_time_stamps_redo_no_shard(built: Workspace, tmp_path: Path):
    workspace = moved(built, tmp_path / "copied")
    dice = random.Random(0)
    for path in files(workspace):
        stamp = time.time() - dice.randint(1, 10**6)
        os.utime(path, (stamp, stamp))
    assert set(workspace.make(*COLUMNS)) <= {"manifest", *COLUMNS}
    assert workspace.tree() == built.tree()


def test_a_copied_shard_that_its_record_does_not_prove_is_made_again(built: Workspace, tmp_path: Path):
    """Here, one whose input is another one by now."""
    workspace = moved(built, tmp_path / "copied")
    flow = workspace.folder / "results/small/flow"
    for name in ("000001.tar", "000001.json"):
        (flow / name).write_bytes((flow / name.replace("1", "2")).read_bytes())
    planned = workspace.planned(*COLUMNS)
    assert (planned["guidance_shard"], planned["view_shard"]) == (1, 1)


@pytest.mark.parametrize("year", [1990, 2100])
def test_a_clock_that_was_wrong_stops_nothing(built: Workspace, year: int):
    """Snakemake would refuse to make anything from what is newer than now, however often it is run."""
    before = built.tree()
    stamp = (year - 1970) * 365.25 * 86400
    for path in files(built):
        if path.parent.name in ("frames", "flow") or year < 2000:
            os.utime(path, (stamp, stamp))
    for name in ("guidance/000000.tar", "guidance/000000.json", "truth/000001.tar"):
        (built.folder / "results/small" / name).unlink()
    large = ("--max-checksum-file-size", "0")  # as if they were large: sums of small files make up for their times
    made = built.make(*large, *COLUMNS)
    assert (made["guidance_shard"], made["view_shard"], made["truth_shard"]) == (1, 1, 1)
    assert not {"frames_shard", "flow_shard"} & set(made)
    assert built.tree() == before
    assert not built.planned(*large, *COLUMNS)


def test_what_is_lost_is_made_again_and_nothing_else(built: Workspace):
    before = built.tree()
    small = built.folder / "results/small"
    for name in ("guidance/000000.json", "truth/000001.tar", "shards/cmp/000001.json", "shards/cmp/000002.tar"):
        (small / name).unlink()
    shutil.rmtree(built.folder / "logs")
    made = built.make(*COLUMNS)
    assert (made["guidance_shard"], made["truth_shard"], made["view_shard"]) == (1, 1, 3)
    assert built.tree() == before


def test_a_damaged_shard_costs_one_command_which_the_message_names(built: Workspace):
    before = built.tree()
    guidance = built.folder / "results/small/guidance"
    (guidance / "000000.tar").write_bytes(b"")
    (guidance / "000001.tar").write_bytes((guidance / "000001.tar").read_bytes()[:-700])
    done = built.snakemake(*COLUMNS)
    assert done.returncode != 0
    told = re.findall(r"^error: (results/\S+): has .*: make it again: `snakemake --cores all (.*)`$", done.stderr, re.M)
    assert sorted(told) == [(path, f"--forcerun {path}") for number in (0, 1) for path in [tar(number)]]
    made = built.make("--forcerun", tar(0), tar(1), *COLUMNS)
    assert (made["guidance_shard"], made["view_shard"]) == (2, 2)
    assert built.tree() == before


def tar(number: int) -> str:
    return f"results/small/guidance/{number:06d}.tar"


def test_results_may_lie_on_another_disk(built: Workspace, tmp_path: Path):
    before = built.tree()
    elsewhere = tmp_path / "elsewhere"
    (built.folder / "results").rename(elsewhere)
    (built.folder / "results").symlink_to(elsewhere)
    for name in ("000001.tar", "000001.json"):
        (elsewhere / "small/truth" / name).unlink()
    assert built.make(*COLUMNS)["truth_shard"] == 1
    assert built.tree() == before


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of 16 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a disk takes root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


def test_a_full_disk_and_a_read_only_one_are_one_line(workspace: Workspace, made: Workspace, disk: Path):
    workspace.configure({"small": SMALL})
    (workspace.folder / "results").symlink_to(disk)
    target = "results/small/flow/000001.tar"
    done = workspace.snakemake(target)
    assert done.returncode != 0
    assert re.findall(
        r"^error: .*: cannot be written: the disk is full: free some space and run again$", done.stderr, re.M
    )
    assert "Traceback" not in done.stderr
    remount(disk, "size=10m,ro")
    done = workspace.snakemake(target)
    assert done.returncode != 0
    assert "error: results/small: cannot be written: the file system is read-only: choose another" in done.stderr
    assert "Traceback" not in done.stderr
    remount(disk, "rw")
    workspace.make(target)
    assert workspace.tree().items() <= made.tree().items()
    assert target.removeprefix("results/") in workspace.tree()


def unreadable(path: Path) -> None:
    """A file that is there and gives an I/O error when it is read."""
    path.symlink_to("/proc/self/mem")
    if not path.exists():
        pytest.skip("this needs Linux's /proc")


def test_a_source_that_cannot_be_read_or_goes_away_is_no_bad_source(workspace: Workspace):
    """The same command makes of what is there then what it would have made at once."""
    for name in ("a", "b", "c"):
        write_clip(workspace.folder / f"{name}.mp4", 3, size=(64, 48))
    cv2.imwrite(str(workspace.folder / "x.png"), np.full((48, 64, 3), 99, np.uint8))
    unreadable(workspace.folder / "y.png")
    workspace.configure(
        {
            "clips": {"source": {"kind": "videos", "path": "*.mp4"}, "videos_per_shard": 1, "min_success": 0},
            "pictures": {"source": {"kind": "images", "path": "*.png"}, "min_success": 0},
        }
    )
    arguments = workspace.command("--", "frames")
    with subprocess.Popen(arguments, cwd=workspace.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
        plan = workspace.folder / "results/clips/plan.json"
        while not plan.exists():
            time.sleep(0.01)
            assert run.poll() is None
        (workspace.folder / "b.mp4").unlink()
        (workspace.folder / "c.mp4").write_bytes((workspace.folder / "c.mp4").read_bytes()[:-99])
        said = run.communicate()[0].decode()
    assert run.returncode != 0
    assert re.search(r"^error: b: had \d+ bytes when it was listed, and has 0 now: run snakemake again, ", said, re.M)
    assert re.search(r"^error: c: had \d+ bytes when it was listed, and has \d+ now: run snakemake again, ", said, re.M)
    assert re.search(r"^error: y\.png: Input/output error: see to the disk it lies on, then run again, ", said, re.M)
    assert {path.name for path in workspace.folder.glob("results/*/frames/*")} == {"000000.tar", "000000.json"}
    (workspace.folder / "y.png").unlink()
    shutil.copy(workspace.folder / "x.png", workspace.folder / "y.png")
    workspace.make("--", "frames")
    after = workspace.tree()
    shutil.rmtree(workspace.folder / "results/pictures")
    shutil.rmtree(workspace.folder / "results/clips/frames")
    workspace.make("--", "frames")
    assert workspace.tree() == after
