"""A disk that fails, or a process that dies, at every single step of every stage's job: nothing half-made stays, one
line says why, and the same command ends in the same bytes."""

import errno
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from common_fate.errors import UserError
from common_fate.shards.files import atomic
from pipeline.cli.app import app
from pipeline.sources import demuxing
from tests.support.clips import write_clip
from tests.support.faults import Dead, Fault, counted, dead, reading, refused, refused_once, writing
from tests.support.workspace import ROOT

pytestmark = pytest.mark.faults

SOURCE = {"kind": "synthetic", "videos": 1, "frames": 3, "height": 32, "width": 48, "objects": 1}
MAPS = {"detector": "maps", "maps": "maps", "spectral": False}  # the forest takes seconds to load
OPTIONS = {"frames": {"triplets": True}, "regions": MAPS, "superpixels": {"segments": 20}}
JOBS = {
    "catalog": ("catalog", "results", "--source", json.dumps(SOURCE)),
    "frames": ("frames", "results/plan.json"),
    "flow": ("flow", "results/frames/000000.tar"),
    "guidance": ("guidance", "results/flow/000000.tar"),
    "regions": ("regions", "results/frames/000000.tar"),
    "superpixels": ("superpixels", "results/frames/000000.tar"),
    "truth": ("truth", "results/frames/000000.tar", "results/plan.json"),
    "view": ("view", "cmp", *(f"results/{column}/000000.tar" for column in ("frames", "flow", "guidance"))),
    "manifest": ("manifest", "results/shards/cmp", "--plan", "results/plan.json"),
    "show": ("show", "results/shards/cmp", "--to", "results/report/sheet.png"),
    "stats": ("stats", "results", "--to", "results/report"),
}
STAGES = ("frames", "flow", "guidance", "regions", "superpixels", "truth", "view")
WRITING = ("create", "write", "fsync", "close", "mkdir")  # what a disk without room may refuse


def run(job: str) -> None:
    """The job's command, as Snakemake gives it."""
    to = {"view": "shards/cmp"}.get(job, job)
    more = ["--to", f"results/{to}/000000.tar"] if job in STAGES else []
    options = ["--options", json.dumps(OPTIONS[job])] if job in OPTIONS else []
    app([*JOBS[job], *more, *options], standalone_mode=False)


def tree() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path("results").rglob("*") if path.is_file()}


def lay(files: dict[str, bytes]) -> None:
    """Makes `results` hold these files and no others."""
    shutil.rmtree("results", ignore_errors=True)
    for name, data in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, bytes], dict[str, bytes]]]:
    """What there is before and after each job of an undisturbed run."""
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("undisturbed"))
        contours()
        for job in JOBS:
            before = tree()
            run(job)
            made[job] = before, tree()
    return made


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # nothing here has to outlast a power cut
    contours()


def contours() -> None:
    Path("maps").mkdir()
    for frame in range(SOURCE["frames"]):
        cv2.imwrite(f"maps/synthetic_s0_0000-{frame:06d}.png", noise(frame, 48, 32)[..., 0])


Undisturbed = dict[str, tuple[dict[str, bytes], dict[str, bytes]]]


def steps_of(job: str, before: dict[str, bytes]) -> list[str]:
    lay(before)
    steps: list[str] = []
    with writing(counted(steps)):
        run(job)
    return steps


def refused_with(fault: Fault, job: str, says: str) -> None:
    """The job ends in one line that names a file and says so."""
    with writing(fault), pytest.raises(UserError) as caught:
        run(job)
    message = str(caught.value)
    assert message.startswith("results/")
    assert says in message
    assert "\n" not in message


def is_whole(now: dict[str, bytes], before: dict[str, bytes], after: dict[str, bytes]) -> bool:
    """Whether every file is as it was, or as it will be, and no record stands beside another's tar."""
    files = all(data in (before.get(name), after.get(name)) for name, data in now.items())
    pairs = [(name, name.replace(".json", ".tar")) for name in now if name.replace(".json", ".tar") in after]
    together = all({record: now[record], tar: now.get(tar)}.items() <= after.items() for record, tar in pairs)
    return files and together


@pytest.mark.parametrize("job", JOBS)
def test_a_disk_that_is_full_at_any_step(stages: Undisturbed, job: str):
    before, after = stages[job]
    steps = steps_of(job, before)
    places = [number for number, step in enumerate(steps, 1) if step in WRITING]
    assert len(places) > 3
    for number in places:
        lay(before)
        refused_with(refused(number, errno.ENOSPC, WRITING), job, "the disk is full: free some space and run again")
        assert is_whole(now := tree(), before, after)
        if "replace" not in steps[: number - 1]:
            assert now == before
        run(job)
        assert tree() == after


@pytest.mark.parametrize("job", ["flow", "manifest"])
def test_a_disk_that_is_full_leaves_an_older_version_whole(stages: Undisturbed, job: str):
    """Until all of the new one is on the disk; what is moved after that is unfinished at worst, and never mixed."""
    before, after = stages[job]
    old = before | {name: b"old" for name in after if name not in before}
    steps = steps_of(job, old)
    committing = steps.index("unlink" if job == "flow" else "replace") + 1  # a shard's record goes first
    for number in [place for place, step in enumerate(steps, 1) if step in WRITING]:
        lay(old)
        refused_with(refused(number, errno.ENOSPC, WRITING), job, "the disk is full")
        now = tree()
        assert number > committing or now == old
        assert all(data in (old[name], after[name]) for name, data in now.items())
        assert job == "manifest" or "results/flow/000000.json" not in now or now in (old, after)
        run(job)
        assert tree() == after


@pytest.mark.parametrize("job", JOBS)
def test_a_process_that_dies_at_any_step(stages: Undisturbed, job: str):
    before, after = stages[job]
    total = len(steps_of(job, before))
    for number in range(1, total + 1):
        lay(before)
        with suppress(Dead), writing(dead(number)):
            run(job)
        left = {name: data for name, data in tree().items() if not name.endswith(".tmp")}
        assert is_whole(left, before, after)
        run(job)
        assert tree() == after, "what the dead one left is gone, too"


@pytest.mark.parametrize("job", ["flow", "manifest"])
def test_a_disk_that_fails_once_at_any_step(stages: Undisturbed, job: str):
    before, after = stages[job]
    steps = steps_of(job, before)
    for number in range(1, len(steps) + 1):
        lay(before)
        if steps[number - 1] != "mkdir":  # the folder is there
            refused_with(refused_once(number, errno.EIO), job, "cannot be written: Input/output error")
        left = {name: data for name, data in tree().items() if not name.endswith(".tmp")}
        assert is_whole(left, before, after)
        run(job)
        assert tree() == after


@pytest.mark.parametrize("job", [job for job in JOBS if job != "catalog"])
def test_an_input_that_cannot_be_read_at_any_read(stages: Undisturbed, job: str):
    before, after = stages[job]
    lay(before)
    reads: list[str] = []
    with reading(counted(reads)):
        run(job)
    assert tree() == after
    assert reads
    for number in range(1, len(reads) + 1):
        lay(before)
        with reading(refused_once(number, errno.EIO)), pytest.raises(UserError, match="Input/output error") as caught:
            run(job)
        assert "\n" not in str(caught.value)
        assert "results/" in str(caught.value) or "synthetic_s0_0000" in str(caught.value)
        assert tree() == before
    run(job)
    assert tree() == after


def noise(number: int, width: int, height: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 255, (height, width, 3), np.uint8)


def listed(kind: str, path: str) -> None:
    app(["catalog", "results", "--source", json.dumps({"kind": kind, "path": path})], standalone_mode=False)


class FailingReads:
    """Opens videos for PyAV; the N-th read of all fails, as it does where FFmpeg reads."""

    def __init__(self, at: int) -> None:
        self.at, self.reads = at, 0
        self.open = av.open

    def __call__(self, path: str, options: dict[str, str]) -> object:
        def count() -> None:
            self.reads += 1
            if self.reads == self.at:
                raise av.error.OSError(errno.EIO, "Input/output error", path)

        class File(io.FileIO):
            def read(self, size: int = -1) -> bytes | None:
                count()
                return super().read(size)

        return self.open(File(path), buffer_size=4096, options=options)


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_video_that_cannot_be_read_at_any_read_is_no_bad_video(ending: str, monkeypatch: pytest.MonkeyPatch):
    write_clip(Path(f"a.{ending}"), 4, size=(64, 48), draw=noise)
    listed("videos", f"*.{ending}")
    run("frames")
    after = tree()
    failing = FailingReads(0)
    monkeypatch.setattr(demuxing.av, "open", failing)
    at = 0
    while failing.reads >= failing.at:
        demuxing._demuxed_file.cache_clear()
        shutil.rmtree("results/frames")
        failing.at, failing.reads = (at := at + 1), 0
        with suppress(UserError):
            run("frames")
            assert failing.reads < at
        assert not list(Path("results").glob("frames/*")) or failing.reads < at
    assert at > 8
    assert tree() == after


def test_a_video_whose_index_cannot_be_read_is_no_bad_video(monkeypatch: pytest.MonkeyPatch):
    """There, FFmpeg speaks of invalid data."""
    write_clip(Path("a.mp4"), 4, size=(64, 48))
    listed("videos", "*.mp4")

    def failing(*args: object, **options: object) -> None:
        raise av.error.InvalidDataError(errno.EINVAL, "Invalid data found when processing input")

    with monkeypatch.context() as patch:
        patch.setattr(demuxing.av, "open", failing)
        reads: list[str] = []
        with reading(counted(reads)):
            run("frames")
        shutil.rmtree("results/frames")
        last = refused_once(len(reads), errno.EIO)  # before it, plan and catalog are read
        with reading(last), pytest.raises(UserError, match=r"a\.mp4: Input/output error"):
            run("frames")
    assert not list(Path("results").glob("frames/*"))


@pytest.mark.parametrize("kind", ["videos", "frames", "images"])
@pytest.mark.parametrize(
    "change",
    [lambda path: path.write_bytes(path.read_bytes()[:500]), Path.unlink, lambda path: path.write_bytes(b"")],
    ids=["cut off", "deleted", "emptied"],
)
def test_a_source_that_changed_since_it_was_listed(kind: str, change: Callable[[Path], None]):
    change(source(kind))
    with pytest.raises(UserError, match=r"had \d+ bytes when it was listed, and has \d+ now: run snakemake again"):
        run("frames")
    assert not list(Path("results").glob("frames/*"))


def source(kind: str) -> Path:
    """A listed source of one video, and a file of it."""
    Path("a").mkdir()
    if kind == "videos":
        path = write_clip(Path("a.mp4"), 4, size=(64, 48))
        listed(kind, "*.mp4")
        return path
    for number in range(3):
        cv2.imwrite(f"a/{number}.png", noise(number, 64, 48))
    listed(kind, "a" if kind == "frames" else "a/0.png")
    return Path("a/0.png")


@pytest.mark.parametrize("kind", ["videos", "frames", "images"])
def test_a_source_that_changes_while_it_is_read(kind: str, monkeypatch: pytest.MonkeyPatch):
    path = source(kind)
    data = path.read_bytes()
    monkeypatch.setattr("pipeline.columns.frames.stage.resized_shape", lambda height, width, side: changed())

    def changed() -> tuple[int, int]:
        path.write_bytes(data[:-9] + bytes(9))
        os.utime(path, ns=(0, 0))
        return 48, 64

    with pytest.raises(UserError, match="changed while it was read: run snakemake again"):
        run("frames")
    assert not list(Path("results").glob("frames/*"))


@pytest.mark.parametrize("kind", ["videos", "frames", "images"])
def test_another_time_stamp_changes_nothing(kind: str):
    path = source(kind)
    run("frames")
    after = tree()
    os.utime(path, (0, 0))
    run("frames")
    assert tree() == after


def test_two_commands_on_one_shard_take_turns(stages: Undisturbed, tmp_path: Path):
    """The second waits, says so, and makes the shard again; nobody's file is taken away."""
    before, after = stages["flow"]
    lay(before)
    with writing(counted([])), atomic(Path("results/flow/000000.json")):
        other = subprocess.Popen(
            [sys.executable, "-m", "pipeline", *JOBS["flow"], "--to", "results/flow/000000.tar"],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert other.stderr is not None
        said = other.stderr.readline()
        assert "results/flow/000000.json: another process is writing it: waiting until it is done" in said
        assert other.poll() is None
    other.communicate()
    assert other.returncode == 0
    assert tree() == after


def test_many_writers_of_one_path_leave_one_whole_file(tmp_path: Path):
    script = "import sys; from pathlib import Path; from common_fate.shards.files import write_atomic\n"
    script += "for _ in range(20): write_atomic(Path('made/a'), sys.argv[1].encode() * 999)"
    writers = [
        subprocess.Popen([sys.executable, "-c", script, text], env={**os.environ, "PYTHONPATH": str(ROOT)})
        for text in ("one", "two", "three")
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert [path.name for path in Path("made").iterdir()] == ["a"]
    assert Path("made/a").read_text() in ("one" * 999, "two" * 999, "three" * 999)
