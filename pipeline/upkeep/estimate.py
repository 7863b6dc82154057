"""What a dataset of many clips will take: bytes, core hours, dollars, jobs and files, from figures that are measured.

A sample's time and bytes grow with its pixels. Shards are made one after the other by each of so many cores.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common_fate.tables import text_table
from pipeline.registry import STAGES, VIEWS, columns_of

MACHINE = "two cores of an x86-64 cloud machine, busy with other work; processor time, of stages the least of three"
SCALE = "python -m benchmarks.scale"
PIXELS = 384 * 384
NOT_MEASURED = "not measured"
FILES_PER_JOB = 5  # tar and record, a log, and what Snakemake notes of tar and of record
MANIFEST_FILES = 17  # eight, a note on each, and a log
ROOT_FILES = 2  # catalog.parquet and plan.json
JOBS_BESIDE = 3  # statistics, the home page, and `all` itself
JOBS_PER_VIEW = 2  # manifest and contact sheet


@dataclass(frozen=True)
class BenchmarkValue:
    """A measured number, and the line of the benchmark that prints it."""

    value: float
    line: str
    benchmark: str = "make bench"


def _cost(milliseconds: float, kilobytes: float, line: str) -> tuple[BenchmarkValue, BenchmarkValue]:
    return BenchmarkValue(milliseconds, f"{line} (ms a sample)"), BenchmarkValue(kilobytes, f"{line} (kB a sample)")


# Processor milliseconds and kilobytes of a sample of 384x384, in tar and record.
_SAMPLE = "{}: 384x384, DAVIS"
COSTS: Mapping[str, tuple[BenchmarkValue, BenchmarkValue]] = {
    "frames": (
        BenchmarkValue(14.8, "stage frames: 1280x720, every 5th at 739x416 (ms a sample)"),
        BenchmarkValue(52.8, "column frames: 384x384, DAVIS (kB a sample)"),
    ),
    "flow": _cost(17.9, 116.0, _SAMPLE.format("stage flow")),
    "guidance": _cost(2.57, 1.08, _SAMPLE.format("stage guidance")),
    "regions": _cost(90.6, 6.56, _SAMPLE.format("stage regions")),
    "superpixels": _cost(5.54, 21.5, _SAMPLE.format("stage superpixels")),
    "cmp": _cost(0.46, 168.9, _SAMPLE.format("view cmp")),
    "grouping": _cost(0.2, 59.3, _SAMPLE.format("view grouping")),
    "selflow": _cost(0.49, 220.5, _SAMPLE.format("view selflow")),
}
START = BenchmarkValue(1.71, "start of a job: python -m pipeline guidance (s)")
START_ON_CLUSTER = BenchmarkValue(4.61, "start of a job on a cluster, in a Snakemake of its own (s)")
MANIFEST = (
    BenchmarkValue(4.6, "manifest of 10,000 shards, 10,000,000 samples (us a sample)", f"{SCALE} reading"),
    BenchmarkValue(29.8, "samples.parquet of 100,000,000: written (B a sample)", f"{SCALE} manifest"),
)
PLANNING_START = (
    BenchmarkValue(2.75, "dry run: 10 shards (s)", f"{SCALE} planning"),
    BenchmarkValue(0.29, "dry run: 10 shards (GiB)", f"{SCALE} planning"),
)
PLANNING = (
    BenchmarkValue(1.74, "dry run: 10,000 shards (ms a further job)", f"{SCALE} planning"),
    BenchmarkValue(18.6, "dry run: 10,000 shards (KiB a further job)", f"{SCALE} planning"),
)
LISTING = (
    BenchmarkValue(8.4, "2,050,000 videos: planned and written (us a video)", f"{SCALE} listing"),
    BenchmarkValue(0.56, "2,050,000 videos: planned and written (KiB a video)", f"{SCALE} listing"),
)


@dataclass(frozen=True)
class Work:
    """What is to be made: so many clips, their frames and pairs at a size, joined into views."""

    clips: int
    frames_per_clip: float
    pairs_per_clip: float
    height: int
    width: int
    views: Sequence[str]
    videos_per_shard: int
    gpu_ms: float | None  # of a pair, of an estimator on a GPU in place of DIS

    @property
    def columns(self) -> list[str]:
        """As config.yaml would have them; no truth or masks beside the views, which most videos lack."""
        return columns_of(self.views)

    @property
    def pairs(self) -> int:
        return round(self.clips * self.pairs_per_clip)

    @property
    def shards(self) -> int:
        return math.ceil(self.clips / self.videos_per_shard)

    @property
    def shard_jobs(self) -> int:
        return self.shards * (len(self.columns) + len(self.views))

    @property
    def jobs(self) -> int:
        """As `snakemake --dry-run` counts them."""
        return self.shard_jobs + JOBS_PER_VIEW * len(self.views) + JOBS_BESIDE

    @property
    def files(self) -> int:
        """As the target `shards` leaves them: with logs, and with Snakemake's notes."""
        return FILES_PER_JOB * self.shard_jobs + MANIFEST_FILES * len(self.views) + ROOT_FILES

    def samples(self, part: str) -> int:
        """Returns the number of samples of a column or view.

        These are frames, pairs where anything in it needs the next frame, or triplets where it needs the one before,
        too.
        """
        return round(self.clips * self._per_clip[frozenset(_neighbours(part))])

    @property
    def _per_clip(self) -> dict[frozenset[str], float]:
        """How many of a clip's frames have these neighbours.

        A triplet is two pairs in a row: a clip whose pairs are all in a row has one less.
        """
        triplets = max(0.0, self.pairs_per_clip - 1)
        pairs = {frozenset(["next"]): self.pairs_per_clip, frozenset(["previous"]): self.pairs_per_clip}
        return {frozenset(): self.frames_per_clip, **pairs, frozenset(["previous", "next"]): triplets}

    def measured(self, part: str) -> bool:
        """Returns whether there are figures of a column or view; sums leave out those that have none."""
        return part in COSTS

    def core_seconds(self, part: str) -> float:
        """Returns the core seconds of a column or view, without the start of the jobs.

        Frames are mostly decoding, whatever size is kept; a core waits for a GPU.
        """
        if part == "flow" and self.gpu_ms is not None:
            return self.gpu_seconds
        grows = 1.0 if part == "frames" else self._scale
        return self.samples(part) * COSTS[part][0].value / 1e3 * grows if self.measured(part) else 0.0

    @property
    def gpu_seconds(self) -> float:
        return self.samples("flow") * (self.gpu_ms or 0.0) / 1e3 if "flow" in self.columns else 0.0

    def bytes(self, part: str) -> float:
        """Returns the bytes of a column or view; 0 where there are no figures."""
        return self.samples(part) * COSTS[part][1].value * 1e3 * self._scale if self.measured(part) else 0.0

    @property
    def rows(self) -> int:
        """Of all manifests."""
        return sum(map(self.samples, self.views))

    @property
    def manifest_seconds(self) -> float:
        return self.rows * MANIFEST[0].value / 1e6

    @property
    def manifest_bytes(self) -> float:
        return self.rows * MANIFEST[1].value

    @property
    def _scale(self) -> float:
        return self.height * self.width / PIXELS


def _neighbours(part: str) -> set[str]:
    """The neighbours that a frame needs to be a sample of a column or view, with the defaults of all stages."""
    if part in STAGES:
        stage = STAGES[part]
        found, reads = set(stage.neighbours(stage.options())), [name for name in stage.reads if name in STAGES]
    else:
        found, reads = set(VIEWS[part].follow), list(VIEWS[part].columns)
    return found.union(*map(_neighbours, reads))


@dataclass(frozen=True)
class Terms:
    """What computes, and its prices: number of cores, dollars for a core hour, a GPU hour, a terabyte and month."""

    cores: int
    cluster: bool
    core_hour: float
    gpu_hour: float
    terabyte_month: float
    months: float


@dataclass(frozen=True)
class Cost:
    """The sums: bytes on disk, seconds of cores and GPUs, and a core's seconds for one shard through all stages."""

    bytes: float
    core_seconds: float
    gpu_seconds: float
    shard_seconds: float

    def computing(self, terms: Terms) -> float:
        """Returns the dollars for cores and GPUs."""
        return self.core_seconds / 3600 * terms.core_hour + self.gpu_seconds / 3600 * terms.gpu_hour

    def keeping(self, terms: Terms) -> float:
        """Returns the dollars for the disks."""
        return self.bytes / 1e12 * terms.months * terms.terabyte_month

    def wall_seconds(self, cores: int) -> float:
        """Returns the most seconds that it takes if jobs wait for cores alone.

        That is the work divided by the cores, plus a shard's way from start to end (Graham's bound).
        """
        return self.core_seconds / cores + self.shard_seconds


def cost(work: Work, cluster: bool) -> Cost:
    """Sums up the cost of columns, views, the starts of jobs, and manifests."""
    parts = [*work.columns, *work.views]
    start = _start(cluster).value
    making = sum(map(work.core_seconds, parts))
    return Cost(
        bytes=sum(map(work.bytes, parts)) + work.manifest_bytes,
        core_seconds=making + work.jobs * start + work.manifest_seconds,
        gpu_seconds=work.gpu_seconds,
        shard_seconds=making / work.shards + (len(parts) + 1) * start + work.manifest_seconds,
    )


def _start(cluster: bool) -> BenchmarkValue:
    return START_ON_CLUSTER if cluster else START


def report(work: Work, terms: Terms) -> str:
    """Writes three tables: what is made, what that takes, and all that it assumes."""
    total = cost(work, terms.cluster)
    title = f"{work.clips:,} clips: {work.pairs:,} pairs of {work.width}x{work.height}"
    made = text_table(("made", "samples", "GB", "core hours"), _made(work, terms))
    takes = text_table(("it takes", ""), _taken(work, terms, total))
    assumed = text_table(("assuming", "", "from"), _assumed(work, terms))
    return f"{title}\n\n{made}\n\n{takes}\n\n{assumed}\n\nMeasured on {MACHINE}."


def _made(work: Work, terms: Terms) -> list[list[Any]]:
    folders = {part: part for part in work.columns} | {view: f"shards/{view}" for view in work.views}
    rows: list[list[Any]] = [
        [
            *(folder, work.samples(part)),
            *((work.bytes(part) / 1e9, work.core_seconds(part) / 3600) if work.measured(part) else [NOT_MEASURED] * 2),
        ]
        for part, folder in folders.items()
    ]
    return [
        *rows,
        ["manifests", work.rows, work.manifest_bytes / 1e9, work.manifest_seconds / 3600],
        ["starts of jobs", work.jobs, None, work.jobs * _start(terms.cluster).value / 3600],
    ]


def _taken(work: Work, terms: Terms, total: Cost) -> list[list[Any]]:
    seconds, memory = _planning(work)
    unknown = [part for part in [*work.columns, *work.views] if not work.measured(part)]
    million = (total.computing(terms) + total.keeping(terms)) / max(1, work.pairs) * 1e6
    return [
        ["bytes", f"{total.bytes / 1e12:,.2f} TB"],
        ["core hours", f"{total.core_seconds / 3600:,.0f}"],
        ["GPU hours", _gpu_hours(work, total)],
        ["dollars, computing", f"{total.computing(terms):,.2f}"],
        ["dollars, keeping it", f"{total.keeping(terms):,.2f}"],
        ["dollars per million pairs", f"{million:,.2f}"],
        ["shards", f"{work.shards:,} of {work.pairs / work.shards:,.0f} pairs"],
        ["jobs", f"{work.jobs:,}"],
        ["files", f"{work.files:,}"],
        [f"wall time, {terms.cores:,} cores", f"{total.wall_seconds(terms.cores) / 3600:,.1f} hours at most"],
        ["planning, once", f"{seconds / 60:,.1f} minutes, {memory:,.1f} GiB"],
        *([[f"without {', '.join(unknown)}", NOT_MEASURED]] if unknown else []),
    ]


def _planning(work: Work) -> tuple[float, float]:
    """The processor seconds and GiB of the process that plans."""
    seconds = PLANNING_START[0].value + work.jobs * PLANNING[0].value / 1e3 + work.clips * LISTING[0].value / 1e6
    more = work.jobs * PLANNING[1].value + work.clips * LISTING[1].value
    return seconds, PLANNING_START[1].value + more / 2**20


def _gpu_hours(work: Work, total: Cost) -> str:
    if work.gpu_ms is None:
        return f"0; flow by a network and training: {NOT_MEASURED}"
    return f"{total.gpu_seconds / 3600:,.1f}; training: {NOT_MEASURED}"


def _assumed(work: Work, terms: Terms) -> list[list[Any]]:
    paper = "1.6 M frames, 1.26 M pairs of 205,000 clips: Zhan et al., CVPR 2019, section 4"
    told = [
        ["frames of a clip", f"{work.frames_per_clip:g}", paper],
        ["pairs of a clip", f"{work.pairs_per_clip:g}", "the same"],
        ["frames kept at", f"{work.width}x{work.height}", "--width, --height; time and bytes grow with the pixels"],
        ["clips of a shard", f"{work.videos_per_shard:,}", "--videos-per-shard"],
        ["a core hour", f"${terms.core_hour:g}", "--core-hour, a price to replace"],
        ["a GPU hour", f"${terms.gpu_hour:g}", "--gpu-hour, a price to replace"],
        ["a TB for a month", f"${terms.terabyte_month:g}", "--tb-month, a price to replace"],
        ["GPU ms of a pair", "none" if work.gpu_ms is None else f"{work.gpu_ms:g}", "--gpu-ms, to be measured by you"],
        ["months", f"{terms.months:g}", "--months that all columns and views are kept"],
        ["files of a job", str(FILES_PER_JOB), "tar, record, log, and a note of Snakemake's on tar and on record"],
    ]
    figures = [figure for part in [*work.columns, *work.views] for figure in COSTS.get(part, ())]
    figures = [figure for figure in figures if work.gpu_ms is None or figure is not COSTS["flow"][0]]
    figures += [_start(terms.cluster), *MANIFEST, *PLANNING_START, *PLANNING, *LISTING]
    return told + [[figure.line, f"{figure.value:g}", figure.benchmark] for figure in figures]
