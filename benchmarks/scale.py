"""Growth with shards, videos and samples: `python -m benchmarks.scale`, or some of its parts by name; it takes an hour.

Not part of `make bench`. Each number is of a process of its own, which is stopped where it takes more than 6 GiB.
"""

import argparse
import contextlib
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reading import SIDE, encoded, pairs, square
from common_fate.datasets.catalog import write_plan
from common_fate.shards.record import Record
from common_fate.shards.tar import BLOCK, END
from common_fate.shards.writer import write_shard
from common_fate.tables import text_table

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
COLUMNS = ("what", "processor s", "memory, GiB", "more")
MOST = 6.0  # GiB
MEMBERS = {"jpg": 60_000, "flow.b2": 130_000, "guidance.npy": 500, "json": 160}  # mean bytes in a view cmp
SAMPLES = 1_000  # of a generated shard, one of which failed
PAIRS = 6  # of a generated video

Row = list[Any]


@dataclass(frozen=True)
class Taken:
    """Processor seconds, the most memory in GiB, and what the process printed."""

    seconds: float
    memory: float
    printed: str
    stopped: bool


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"which ({', '.join(PARTS)}); all by default")
    parser.add_argument("--to", type=Path, help="a folder on a disk with 20 GB to spare; by default a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.to) as name:
        for part in arguments.parts:
            folder = Path(name, part)
            folder.mkdir()
            rows = []
            for row in PARTS[part](folder):
                print(*row, file=sys.stderr, flush=True)  # an hour is long
                rows.append(row)
            print(text_table(COLUMNS, rows), flush=True)
            shutil.rmtree(folder)


def planning(folder: Path) -> Iterator[Row]:
    """A dry run against so many shards, a video each: four jobs a shard."""
    before: Taken | None = None
    for shards in (10, 1_000, 10_000, 100_000):
        place = _workspace(folder / str(shards), shards)
        planned = _snakemake(place)
        yield _row(f"dry run: {shards:,} shards", planned, partial(_jobs, before=before))
        before = planned
    yield _row(f"dry run: {shards:,} shards, the target frames", _snakemake(place, "--", "frames"), _jobs)
    yield _row(
        f"dry run: {shards:,} shards, --batch manifest=1/10 -- shards",
        _snakemake(place, "--batch", "manifest=1/10", "--", "shards"),
        _jobs,
    )


def _workspace(place: Path, videos: int) -> Path:
    for number in range(videos):
        path = place / "videos" / f"{number // 1000:05d}" / f"{number:08d}.mp4"
        if number % 1000 == 0:
            path.parent.mkdir(parents=True)
        path.touch()
    source = "source: {kind: videos, path: 'videos/**/*.mp4'}"
    (place / "config.yaml").write_text(f"datasets:\n  yfcc:\n    {source}\n    videos_per_shard: 1\n")
    return place


def _snakemake(place: Path, *arguments: str) -> Taken:
    command = [PYTHON, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1", "--dry-run"]
    return taken([*command, "--quiet", "rules", *arguments], place)


def _jobs(dry_run: Taken, before: Taken | None = None) -> str:
    """How many, and what each took that a smaller run did not have."""
    jobs = _number(dry_run)
    if before is None:
        return f"{jobs:,} jobs"
    more = jobs - _number(before)
    seconds, memory = dry_run.seconds - before.seconds, dry_run.memory - before.memory
    return f"{jobs:,} jobs, {1e3 * seconds / more:.2f} ms and {memory * 2**20 / more:.1f} KiB each further one"


def _number(dry_run: Taken) -> int:
    return next(int(line.split()[1]) for line in dry_run.printed.splitlines() if line.startswith("total"))


def listing(folder: Path) -> Iterator[Row]:
    """Videos: what the starting process keeps of them, and what a job that makes one shard of frames reads."""
    for videos in (205_000, 2_050_000):
        place = folder / str(videos)
        place.mkdir()
        made = "[Video(f'{i // 1000:05d}__{i:08d}', 'videos', f'/data/{i // 1000:05d}/{i:08d}.mp4', None, i)"
        plan = (
            "from pathlib import Path; from common_fate.datasets.catalog import *\n"
            "from pipeline.sources.source import Video\n"
            f"videos = {made} for i in range({videos})]\n"
            "plan = extended([], (video.video for video in videos), 316); shard_digests(plan, videos)\n"
            f"write_listing(Path({str(place)!r}), videos, plan)"
        )
        job = (
            "from pathlib import Path; from common_fate.datasets.catalog import *\n"
            f"place = Path({str(place)!r}); ids = read_planned(place / 'plan.json', 300)\n"
            "read_catalog(place / 'catalog.parquet', ids)"
        )
        made = taken([PYTHON, "-c", plan], ROOT)
        each = f"{1e6 * made.seconds / videos:.1f} us, {made.memory * 2**20 / videos:.2f} KiB a video"
        yield _row(f"{videos:,} videos: planned and written", made, lambda _, each=each: each)
        size = sum(path.stat().st_size for path in place.iterdir())
        yield _row(
            f"{videos:,} videos: read by a job for its shard",
            taken([PYTHON, "-c", job], ROOT),
            lambda _, s=size: f"{s / 1e6:.0f} MB",
        )


def manifest(folder: Path) -> Iterator[Row]:
    """Of generated shards of 1,000 samples: writing samples.parquet, and asking it."""
    path = folder / "samples.parquet"
    for samples in (10**6, 10**7, 10**8):
        write = (
            "from benchmarks.scale import *; from common_fate.manifest.tables import write_samples\n"
            f"with open({str(path)!r}, 'wb') as file:\n"
            f"    write_samples(file, (generated(number) for number in range({samples // SAMPLES})), [*MEMBERS])"
        )
        made = taken([PYTHON, "-c", write], ROOT)
        size = path.stat().st_size
        yield _row(
            f"samples.parquet of {samples:,}: written",
            made,
            lambda _, s=size, n=samples: f"{s / 1e6:,.0f} MB, {s / n:.1f} B a sample",
        )
        middle = samples // 2 + 7
        key = generated(middle // SAMPLES).keys[middle % SAMPLES - 1]
        for what, columns, where in (
            ("asked for a key", None, f"pc.field('key') == {key!r}"),
            ("asked for a video", None, f"pc.field('video') == {key.rpartition('-')[0]!r}"),
            ("asked for all failures", ["key", "stage", "failure"], "pc.field('failure').is_valid()"),
        ):
            query = (
                "import pyarrow.parquet as pq, pyarrow.compute as pc\n"
                f"print(pq.read_table({str(path)!r}, columns={columns!r}, filters={where}).num_rows)"
            )
            yield _row(
                f"samples.parquet of {samples:,}: {what}",
                taken([PYTHON, "-c", query], ROOT),
                lambda query: f"{int(query.printed):,} rows",
            )


def reading(folder: Path) -> Iterator[Row]:
    """A view, opened and verified: shards of 1,000 samples, of which the first holds real ones."""
    start = "from common_fate.torch import ShardDataset, stream\n"
    yield _row("import of trainers.data", taken([PYTHON, "-c", start], ROOT))
    for shards in (100, 1_000, 10_000):
        view, plan = folder / "shards" / "cmp", folder / "plan.json"
        _write_view(view, shards)
        write_plan(plan, [[]] * shards)
        samples = shards * SAMPLES
        made = taken([PYTHON, "-m", "pipeline", "manifest", str(view), "--plan", str(plan)], ROOT)
        each = f"{1e6 * made.seconds / samples:.1f} us a sample"
        yield _row(f"manifest of {shards:,} shards, {samples:,} samples", made, lambda _, each=each: each)
        yield _row(
            f"{shards:,} shards: ShardDataset, a sample",
            taken([PYTHON, "-c", f"{start}ShardDataset({str(view)!r})[0]"], ROOT),
        )
        yield _row(
            f"{shards:,} shards: stream, a sample",
            taken([PYTHON, "-c", f"{start}next(iter(stream({str(view)!r})))"], ROOT),
        )
        yield _row(f"{shards:,} shards: verify, quick", taken([PYTHON, "-m", "pipeline", "verify", str(view)], ROOT))
        shutil.rmtree(view)


def _write_view(view: Path, shards: int) -> None:
    """Tars but the first are holes in the disk, of the right size: nobody reads them here."""
    pictures = itertools.islice(pairs(square, (SIDE, SIDE)), 8)
    facts = {"stage": "cmp", "version": 1, "options": {}, "inputs": {}}
    write_shard(view / "000000.tar", (encoded(number, *pair) for number, pair in enumerate(pictures)), lambda: facts)
    for number in range(1, shards):
        record = generated(number)
        (view / f"{record.shard}.json").write_text(json.dumps(asdict(record)))
        with (view / f"{record.shard}.tar").open("wb") as tar:
            tar.truncate(record.bytes)


def writing(folder: Path) -> Iterator[Row]:
    """A small file written atomically into a folder of so many, which it should not depend on."""
    for files in (2_000, 20_000, 200_000):
        place = folder / str(files)
        place.mkdir()
        for number in range(files):
            (place / f"{number:06d}.tar").touch()
        code = "from pathlib import Path; from common_fate.shards.files import write_atomic\n"
        code += f"for _ in range(100): write_atomic(Path({str(place / 'x.json')!r}), b'x')"
        start = taken([PYTHON, "-c", code.replace("100", "0")], ROOT).seconds
        wrote = taken([PYTHON, "-c", code], ROOT)
        each = f"{1e3 * (wrote.seconds - start) / 100:.1f} ms a file"
        yield _row(f"100 files into a folder of {files:,}", wrote, lambda _, each=each: each)


def generated(number: int) -> Record:
    """The record of a shard as of a view cmp; its members' sizes vary as those of real samples."""
    first = number * SAMPLES
    keys = [f"{i // PAIRS // 1000:05d}__{i // PAIRS:08d}-{i % PAIRS * 5:06d}" for i in range(first, first + SAMPLES)]
    sizes, size = _sizes(number % 200)  # no two the same in a row group of the manifest
    lost = number % SAMPLES
    return Record(
        stage="cmp",
        version=1,
        shard=f"{number:06d}",
        options={},
        inputs={},
        sha256=f"{number:064x}",
        bytes=size,
        samples=SAMPLES - 1,
        extensions=[*MEMBERS],
        keys=keys[:lost] + keys[lost + 1 :],
        sizes=sizes,
        failures=[{"key": keys[lost], "stage": "flow", "reason": "the frames differ in size: 640x480 and 480x640"}],
    )


@cache
def _sizes(seed: int) -> tuple[list[list[int]], int]:
    """The sizes of a shard's members, and of its tar."""
    varied = np.random.default_rng(seed).lognormal(0, 0.4, (SAMPLES - 1, len(MEMBERS)))
    sizes = (np.array(list(MEMBERS.values())) * varied).astype(int) + 1
    return sizes.tolist(), int((-(-sizes // BLOCK) * BLOCK + BLOCK).sum()) + len(END)


def taken(command: Sequence[str], place: Path) -> Taken:
    """Runs a process, and stops it where it takes too much memory."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    memory, stopped = 0.0, False
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, cwd=place, env=environment, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            memory = max(memory, _memory(process.pid))
            if memory > MOST:
                process.kill()
                stopped = True
            time.sleep(0.02)
        output.seek(0)
        printed = output.read()
    if process.returncode and not stopped:
        raise RuntimeError(printed)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Taken(seconds, memory, printed, stopped)


def _memory(process: int) -> float:
    """The most memory that a process had so far, in GiB."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**20
    return 0.0


def _row(what: str, process: Taken, more: Callable[[Taken], str] = lambda process: "") -> Row:
    if process.stopped:
        return [what, f"stopped after {process.seconds:.0f}", f"over {MOST:.0f}", ""]
    return [what, f"{process.seconds:.3g}", f"{process.memory:.2f}", more(process)]


PARTS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "planning": planning,
    "listing": listing,
    "manifest": manifest,
    "reading": reading,
    "writing": writing,
}

if __name__ == "__main__":
    main()
