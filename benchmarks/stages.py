"""What a sample costs in the end: each stage with its reading and writing, its bytes, and the start of its job.

`python -m pipeline estimate` counts with these. There is no peer here: other benchmarks compare the work itself.
"""

import contextlib
import io
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2

from benchmarks.frames import EVERY, clip_in
from benchmarks.inputs import DAVIS
from benchmarks.reading import SIDE, Image, pairs, square
from common_fate.datasets.catalog import Video, write_catalog, write_plan
from common_fate.shards.codecs import encode
from common_fate.shards.record import Record, record_path
from common_fate.shards.writer import write_shard
from pipeline.columns.frames.stage import FramesOptions
from pipeline.registry import STAGES, VIEWS
from pipeline.stages.runner import run_stage
from pipeline.stages.stage import Stage
from pipeline.upkeep.estimate import NOT_MEASURED
from pipeline.views import View, build_view

ROOT = Path(__file__).resolve().parent.parent
FRAMES, ROUNDS = 8, 3
CONFIG = """datasets:
  one:
    source: {kind: synthetic, videos: 1, frames: 2, height: 64, width: 64}
"""

SNAKEMAKE = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1", "--quiet"]
SHARDS = [f"results/one/{column}/000000.tar" for column in ("flow", "guidance")]
STARTS = {
    "start of a job: python -m pipeline guidance (s)": [
        *(sys.executable, "-m", "pipeline", "guidance", SHARDS[0], "--to", SHARDS[1]),
    ],
    "start of a job on a cluster, in a Snakemake of its own (s)": [
        *(*SNAKEMAKE, "all", "--mode", "remote", "--force"),
        *("--target-jobs", "guidance_shard:dataset=one,shard=000000"),
    ],
}

Facts = dict[str, Any]
Cost = tuple[float, float]
"""Processor seconds and bytes a sample."""


def run() -> list[Facts]:
    """Milliseconds of a processor and kilobytes a sample, and the processor seconds that start a job.

    Samples are squares of 384: every fifth frame of each DAVIS video, eight of them. Bytes are of tar and record.
    The least of three rounds counts. The frames stage itself, which decodes far more than it keeps, is measured on a
    clip of 1280x720, of which it keeps every fifth frame at 739x416.
    """
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        origin = _write_frames(folder / "frames/000000.tar")
        return [
            *_rows("stage frames: 1280x720, every 5th at 739x416", *_decoded(folder / "clip")),
            *_rows(f"column frames: {SIDE}x{SIDE}, {origin}", None, _bytes(folder / "frames/000000.tar")),
            *itertools.chain.from_iterable(_of_stage(folder, stage, origin) for stage in STAGES.values()),
            *itertools.chain.from_iterable(_of_view(folder, view, origin) for view in VIEWS.values()),
            *_starts(folder / "start"),
        ]


def _of_stage(folder: Path, stage: Stage, origin: str) -> Iterator[Facts]:
    """A column's figures; it is not measured where it reads what is not here, such as a video's own files."""
    what = f"stage {stage.name}: {SIDE}x{SIDE}, {origin}"
    if _are_there(folder, stage.reads):
        yield from _rows(what, *_column(folder, stage))
    elif stage.name != "frames":  # which `run` measures otherwise
        yield _row(what, NOT_MEASURED)


def _of_view(folder: Path, view: View, origin: str) -> Iterator[Facts]:
    what = f"view {view.name}: {SIDE}x{SIDE}, {origin}"
    if _are_there(folder, view.columns):
        yield from _rows(what, *_view(folder, view))
    else:
        yield _row(what, NOT_MEASURED)


def _are_there(folder: Path, columns: Iterable[str]) -> bool:
    return all((folder / column / "000000.tar").exists() for column in columns)


def _rows(what: str, seconds: float | None, size: float) -> Iterator[Facts]:
    if seconds is not None:
        yield _row(f"{what} (ms a sample)", f"{1e3 * seconds:.4g}")
    yield _row(f"{what} (kB a sample)", f"{size / 1e3:.4g}")


def _row(what: str, ours: str) -> Facts:
    return {"what": what, "ours": ours, "peer": "-", "ratio": "-", "reach": ""}


def _decoded(folder: Path) -> Cost:
    """The frames stage on a clip, from its catalog to its tar."""
    folder.mkdir()
    clip = clip_in(folder)
    write_catalog(folder / "catalog.parquet", [Video("clip", "videos", str(clip))])
    write_plan(folder / "plan.json", [["clip"]])
    options = FramesOptions(select={"every": EVERY})
    return _cost(STAGES["frames"], {"source": folder / "plan.json"}, folder / "frames/000000.tar", options)


def _column(folder: Path, stage: Stage) -> Cost:
    reads = {column: folder / column / "000000.tar" for column in stage.reads}
    return _cost(stage, reads, folder / stage.name / "000000.tar", stage.options())


def _cost(stage: Stage, reads: dict[str, Path], to: Path, options: Any) -> Cost:
    # A first run may compile.
    return _least(lambda: run_stage(stage, reads, to, options, 1.0).samples, ROUNDS + 1), _bytes(to)


def _view(folder: Path, view: View) -> Cost:
    inputs = {column: folder / column / "000000.tar" for column in view.columns}
    to = folder / "shards" / view.name / "000000.tar"
    return _least(lambda: build_view(view, inputs, to).samples, ROUNDS), _bytes(to)


def _bytes(tar: Path) -> float:
    """A sample, in tar and record."""
    record = Record.read(record_path(tar))
    return (record.bytes + record_path(tar).stat().st_size) / record.samples


def _least(make: Callable[[], int], rounds: int) -> float:
    """The least processor time of a sample; `make` returns how many it made."""
    seconds = []
    for _ in range(rounds):
        started = time.process_time()
        with contextlib.redirect_stderr(io.StringIO()):  # progress
            samples = make()
        seconds.append((time.process_time() - started) / samples)
    return min(seconds)


def _write_frames(tar: Path) -> str:
    """A column of frames with neighbours on both sides where there are any; says where they are from."""
    videos = [sorted(folder.glob("*.jpg"))[: EVERY * FRAMES : EVERY] for folder in sorted(DAVIS.glob("*/"))]
    clips: Sequence[Sequence[Image]] = [[square(_read(path)) for path in paths] for paths in videos]
    clips = clips or [[image for pair in itertools.islice(pairs(square, (SIDE, SIDE)), FRAMES) for image in pair]]

    def samples() -> Iterator[tuple[str, dict[str, bytes]]]:
        for number, images in enumerate(clips):
            for frame, image in enumerate(images):
                facts = {"video": f"clip{number}", "frame": frame, "seconds": frame / 5, "width": SIDE, "height": SIDE}
                last = frame == len(images) - 1
                facts |= {"next": None if last else frame + 1, "previous": None if last or not frame else frame - 1}
                bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
                jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, FramesOptions().jpeg_quality])[1].tobytes()
                yield f"clip{number}-{frame:06d}", {"jpg": jpeg, "json": encode("json", facts)}

    write_shard(tar, samples(), lambda: {"stage": "frames", "version": 1, "options": {}, "inputs": {}})
    return "DAVIS" if videos else "photographs"


def _read(path: Path) -> Image:
    return cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)


def _starts(folder: Path) -> list[Facts]:
    """A job of one sample on this machine, and as a cluster's node runs it: within a Snakemake of its own."""
    folder.mkdir()
    (folder / "config.yaml").write_text(CONFIG)
    _seconds([*SNAKEMAKE, "all", "--", "guidance"], folder)
    return [
        _row(what, f"{min(_seconds(command, folder) for _ in range(ROUNDS)):.4g}") for what, command in STARTS.items()
    ]


def _seconds(command: list[str], folder: Path) -> float:
    """The processor time of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
