"""What bad input does, seen from the command line of Snakemake: a row with a reason, or one clear line."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

from common_fate.datasets.verify import verify
from common_fate.foreign.flow_files import write_flo
from common_fate.shards.column import Shard
from common_fate.torch import ShardDataset
from tests.support.clips import write_clip, write_sound
from tests.support.workspace import SMALL, Workspace

pytestmark = pytest.mark.slow

TINY = (64, 48)
UNOPENED = "FFmpeg cannot open it (Invalid data found when processing input): cut short, damaged, or not a video"


def clip(path: Path, frames: int = 4, **options: Any) -> Path:
    return write_clip(path, frames, size=TINY, **options)


def messy(folder: Path) -> None:
    """Every kind of file that disappoints, among two that do not."""
    folder.mkdir()
    clip(folder / "good.mp4")
    clip(folder / "fine.mkv")
    clip(folder / "one_frame.mp4", frames=1)
    clip(folder / "no_frame.avi", frames=0)
    write_sound(folder / "sound.mp4")
    (folder / "empty.mp4").touch()
    (folder / "gone.mp4").symlink_to("nowhere.mp4")
    (folder / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    whole = clip(folder / "no_index.mp4").read_bytes()
    (folder / "no_index.mp4").write_bytes(whole[: len(whole) // 2])
    whole = clip(folder / "cut.mp4", 24, container_options={"movflags": "faststart"}).read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) * 9 // 10])
    undecodable(clip(folder / "undecodable.mp4"))
    small = write_clip(folder / "grows.mjpeg", 3, "mjpeg", (32, 32)).read_bytes()
    (folder / "grows.mjpeg").write_bytes(small + write_clip(folder / "x.mjpeg", 2, "mjpeg", TINY).read_bytes())
    (folder / "x.mjpeg").unlink()


def undecodable(path: Path) -> None:
    """A sound container with nothing but zeros in it."""
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for position, size in packets:
        data[position : position + size] = bytes(size)
    path.write_bytes(data)


def fast(folder: Path) -> None:
    """Two frames, and the truth between them: a block that moves farther than the codec's range."""
    for frame in (1, 2):
        (folder / "video").mkdir(parents=True, exist_ok=True)
        with av.open(str(folder / f"video/{frame}.png"), "w") as container:
            stream = container.add_stream("png", rate=1)
            stream.width, stream.height, stream.pix_fmt = *TINY, "rgb24"
            container.mux(stream.encode(av.VideoFrame(*TINY, "rgb24")))
    flow = np.full((2, TINY[1], TINY[0]), 3, np.float32)
    flow[0, :8, :8] = 600
    (folder / "flow/video").mkdir(parents=True)
    write_flo(folder / "flow/video/1.flo", flow)


ALL: dict[str, Any] = {"frames": {"select": "all"}}
DATASETS: dict[str, Any] = {
    "messy": {"source": {"kind": "videos", "path": "messy/*"}, "min_success": 0, **ALL},
    "strict": {"source": {"kind": "videos", "path": "strict/*"}, "videos_per_shard": 3, **ALL},
    "fast": {"source": {"kind": "frames", "path": "fast/vid*", "flow": "fast/flow"}},
}
TARGETS = [
    *("results/messy/shards/cmp/samples.parquet", "results/strict/shards/cmp/samples.parquet"),
    "results/fast/truth/000000.tar",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, subprocess.CompletedProcess[str]]:
    """A dataset that is all of it bad, one with a bad shard between two good ones, and flow too fast to store."""
    workspace = Workspace(tmp_path_factory.mktemp("bad"))
    messy(workspace.folder / "messy")
    fast(workspace.folder / "fast")
    (workspace.folder / "strict").mkdir()
    for name in ("a1", "a2", "a3", "b3", "c1", "c2"):
        clip(workspace.folder / f"strict/{name}.mp4")
    for name in ("b1", "b2"):
        (workspace.folder / f"strict/{name}.mp4").touch()
    workspace.configure(DATASETS)
    return workspace, workspace.snakemake(*TARGETS)


def failures(workspace: Workspace, dataset: str) -> dict[str, str]:
    """The reasons in the manifest, by key."""
    rows = pq.read_table(workspace.folder / "results" / dataset / "shards/cmp/samples.parquet").to_pylist()
    return {row["key"]: row["failure"] for row in rows if row["failure"]}


def test_every_bad_file_is_a_row_with_its_reason(run: tuple[Workspace, subprocess.CompletedProcess[str]]):
    workspace, _ = run
    assert list(verify(workspace.folder / "results/messy", full=True)) == []
    reasons = failures(workspace, "messy")
    videos = {name: reason for name, reason in reasons.items() if "-" not in name}
    assert videos == {
        "one_frame": "one frame only: no pair",
        "no_frame": "no video frame in the file",
        "sound": "no video stream in the file",
        "empty": "the file is empty",
        "gone": "cannot be read: No such file or directory",
        "noise": UNOPENED,
        "no_index": UNOPENED,
    }
    assert reasons["cut-000023"] == "the file ends before this frame; a pair that another frame starts is lost with it"
    assert reasons["grows-000003"] == (
        "size changed from 32x32 to 64x48; a pair that another frame starts is lost with it"
    )
    assert reasons["grows-000004"].startswith("size changed from 32x32 to 64x48")
    assert all(reasons[f"undecodable-{frame:06d}"].startswith("damaged: ") for frame in range(4))


def test_the_good_files_beside_them_are_whole(run: tuple[Workspace, subprocess.CompletedProcess[str]]):
    keys = [sample["key"] for sample in ShardDataset(run[0].folder / "results/messy/shards/cmp")]
    wanted = {f"{video}-{frame:06d}" for video in ("good", "fine") for frame in range(3)}
    assert wanted | {"cut-000000", "grows-000000", "grows-000001"} <= set(keys)
    assert {key.rpartition("-")[0] for key in keys} == {"good", "fine", "cut", "grows"}


def test_too_many_failures_fail_their_shard_alone(run: tuple[Workspace, subprocess.CompletedProcess[str]]):
    workspace, done = run
    assert done.returncode != 0
    said = "error: frames: 2 of 3 videos failed, and min_success is 0.9:\n  2 x the file is empty\n"
    assert said in (workspace.folder / "logs/frames/strict/000001.log").read_text()
    assert said in done.stderr, "the log of a failed job is shown"
    assert "Traceback" not in done.stderr
    strict = workspace.folder / "results/strict"
    assert sorted(path.name for path in strict.glob("*/000001.*")) == []
    for column in ("frames", "flow", "guidance", "shards/cmp"):
        assert sorted(path.name for path in (strict / column).glob("*.tar")) == ["000000.tar", "000002.tar"]
    assert not (strict / "shards/cmp/samples.parquet").exists()


def test_a_lowered_min_success_makes_that_shard_and_what_follows(
    run: tuple[Workspace, subprocess.CompletedProcess[str]], tmp_path: Path
):
    subprocess.run(["cp", "-a", str(run[0].folder), str(tmp_path / "copy")], check=True)
    workspace = Workspace(tmp_path / "copy")
    before = workspace.tree()
    workspace.configure(DATASETS | {"strict": DATASETS["strict"] | {"min_success": 0.3}})
    assert workspace.make(*TARGETS) == {"manifest": 1} | dict.fromkeys(
        ("frames_shard", "flow_shard", "guidance_shard", "view_shard"), 1
    )
    after = workspace.tree()
    assert before.items() <= after.items()
    assert failures(workspace, "strict") == dict.fromkeys(("b1", "b2"), "the file is empty")
    assert list(verify(workspace.folder / "results/strict", full=True)) == []


def test_truth_beyond_the_codecs_range_is_not_taken_for_known(
    run: tuple[Workspace, subprocess.CompletedProcess[str]],
):
    with Shard(run[0].folder / "results/fast/truth/000000.tar") as shard:
        sample = shard["video-000001"]
        known = sample["valid.png"] > 0
        assert not known[:8, :8].any()
        assert known.sum() == known.size - 64
        assert (sample["flow.b2"][:, known] == 3).all()


def unprivileged() -> None:
    """Takes from root the power to do what permissions deny; nobody else has it."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: gone with the next exec
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.fixture
def locked(workspace: Workspace) -> Path:
    """A folder that nobody may look into or write to."""
    if sys.platform != "linux":
        pytest.skip("taking root's power over permissions needs Linux")
    folder = workspace.folder / "locked"
    folder.mkdir()
    (folder / "a.mp4").touch()
    folder.chmod(0)
    if subprocess.run(["ls", folder], preexec_fn=unprivileged, capture_output=True).returncode == 0:
        pytest.skip("permissions do not bind this user")
    return folder


def refused(workspace: Workspace, says: str) -> None:
    """Snakemake fails, saying so in a line, before any job."""
    done = subprocess.run(
        workspace.command(), cwd=workspace.folder, capture_output=True, text=True, preexec_fn=unprivileged
    )
    said = done.stderr + done.stdout
    assert done.returncode != 0
    assert [line for line in said.splitlines() if says in line], said
    assert "Traceback" not in said
    assert "Finished jobid" not in said
    assert not list(workspace.folder.glob("results/**/*.*"))


def test_an_unreadable_folder_is_refused(workspace: Workspace, locked: Path):
    workspace.configure({"x": {"source": {"kind": "videos", "path": "locked/*.mp4"}}})
    refused(workspace, "config.yaml: datasets.x.source.path 'locked/*.mp4': cannot read 'locked")


def test_two_videos_of_one_id_are_refused(workspace: Workspace):
    for name in ("a.mp4", "a.mkv"):
        clip(workspace.folder / name)
    workspace.configure({"x": {"source": {"kind": "videos", "path": ["*.mp4", "*.mkv"]}}})
    refused(workspace, "config.yaml: datasets.x.source.path: 'a.mp4' and 'a.mkv' would both be called 'a'; rename one")


def test_a_read_only_results_folder_is_one_line(workspace: Workspace, locked: Path):
    locked.rename(workspace.folder / "results")
    (workspace.folder / "results").chmod(0o555)
    (workspace.folder / "results/a.mp4").unlink()
    workspace.configure({"small": SMALL})
    refused(workspace, "results/small: cannot be written: no permission to write there")


def test_a_damaged_shard_stops_what_would_be_made_from_it(built: Workspace):
    flow = built.folder / "results/small/flow/000000.tar"
    stamp = flow.stat()
    data = bytearray(flow.read_bytes())
    data[len(data) // 2] ^= 4
    flow.write_bytes(data)
    os.utime(flow, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # as disks do it
    assert not built.planned(), "nobody has noticed"
    done = built.snakemake("--forcerun", "guidance_shard", "--", "results/small/guidance/000000.tar")
    assert done.returncode != 0
    log = (built.folder / "logs/guidance/small/000000.log").read_text()
    assert log.startswith("error: results/small/flow/000000.tar: ")
    assert log.count("\n") == 1
    assert log in done.stderr
    assert "Traceback" not in done.stderr
    assert not (built.folder / "results/small/guidance/000000.tar").exists()
