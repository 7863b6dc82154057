"""What a dataset of many clips will take: bytes, core hours, dollars, jobs and files, from figures that are measured.

A sample's time and bytes grow with its pixels. Shards are made one after the other by each of so many cores.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
FILES_PER_DOWNLOAD = 4  # record and tries, a log, and what Snakemake notes of the record
JOBS_BESIDE = 2  # the home page, and `all` itself
JOBS_PER_VIEW = 2  # manifest and contact sheet
OF_PAIRS = ("truth",)  # made of frames that have a next one, which they do not read
PAPER = "1.6 M frames, 1.26 M pairs of 205,000 clips: Zhan et al., CVPR 2019, section 4"


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
class Known:
    """What is known of a column or view because some of its shards are there."""

    samples_per_clip: float
    bytes_per_sample: float


@dataclass(frozen=True)
class Work:
    """What is to be made: so many clips, their frames and pairs at a size, joined into views.

    Args:
        gpu_ms: of a pair, of an estimator on a GPU in place of DIS.
        name: the dataset's, where it is one of config.yaml's; `basis` then says where the numbers of its frames, of its
            pairs and their size are from.
        gpu: the columns that a GPU makes.
        more: columns beside those that the views join.
        planned: how many shards there are; else as many as `videos_per_shard` gives.
        options: of the stages that have others than their defaults.
        downloaded: whether a job more a shard fetches its videos.
        known: of columns and views of which some shards are there, by name.
    """

    clips: int
    frames_per_clip: float
    pairs_per_clip: float
    height: int
    width: int
    views: Sequence[str]
    videos_per_shard: int
    gpu_ms: float | None
    name: str = ""
    basis: str = ""
    gpu: Sequence[str] = ()
    more: Sequence[str] = ()
    planned: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    downloaded: bool = False
    known: Mapping[str, Known] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """As config.yaml would have them; no truth or masks beside the views, which most videos lack."""
        return columns_of(self.views, self.more)

    @property
    def parts(self) -> list[str]:
        """The columns and the views."""
        return [*self.columns, *self.views]

    @property
    def pairs(self) -> int:
        return round(self.clips * self.pairs_per_clip)

    @property
    def shards(self) -> int:
        return math.ceil(self.clips / self.videos_per_shard) if self.planned is None else self.planned

    @property
    def shard_jobs(self) -> int:
        return self.shards * (len(self.parts) + self.downloaded)

    @property
    def jobs(self) -> int:
        """With statistics, and a contact sheet of each view, or of the frames where there is none."""
        return self.shard_jobs + JOBS_PER_VIEW * len(self.views) + (not self.views) + 1

    @property
    def files(self) -> int:
        """As the target `shards` leaves them: with logs, and with Snakemake's notes."""
        made = FILES_PER_JOB * self.shards * len(self.parts) + MANIFEST_FILES * len(self.views) + ROOT_FILES
        return made + FILES_PER_DOWNLOAD * self.shards * self.downloaded

    def samples(self, part: str) -> int:
        """Returns the number of samples of a column or view.

        These are frames, pairs where anything in it needs the next frame, or triplets where it needs the one before,
        too.
        """
        if part in self.known:
            return round(self.clips * self.known[part].samples_per_clip)
        return round(self.clips * self._per_clip[frozenset(self._neighbours(part))])

    @property
    def _per_clip(self) -> dict[frozenset[str], float]:
        """How many of a clip's frames have these neighbours.

        A triplet is two pairs in a row: a clip whose pairs are all in a row has one less. Where `triplets` is set, a
        pair is one only if it is a triplet.
        """
        together = getattr(self.options.get("frames"), "triplets", False)
        triplets = self.pairs_per_clip if together else max(0.0, self.pairs_per_clip - 1)
        pairs = {frozenset(["next"]): self.pairs_per_clip, frozenset(["previous"]): self.pairs_per_clip}
        return {frozenset(): self.frames_per_clip, **pairs, frozenset(["previous", "next"]): triplets}

    def _neighbours(self, part: str) -> set[str]:
        """The neighbours that a frame needs to be a sample of a column or view."""
        if part in STAGES:
            stage = STAGES[part]
            options = self.options.get(part) or stage.options()
            found, reads = set(stage.neighbours(options)), [name for name in stage.reads if name in STAGES]
            found |= {"next"} if part in OF_PAIRS else set()
        else:
            found, reads = set(VIEWS[part].follow), list(VIEWS[part].columns)
        return found.union(*map(self._neighbours, reads))

    def timed(self, part: str) -> bool:
        """Returns whether the time of a column or view is known; sums leave out that of others."""
        return part in COSTS and self._as_measured(part) if part not in self.gpu else self.gpu_ms is not None

    def _as_measured(self, part: str) -> bool:
        """Whether the stage does what its figure is of; that of flow is DIS, and nothing after it."""
        flow = self.options.get(part) if part == "flow" else None
        return flow is None or (flow.estimator == "dis" and not flow.refinement and (flow.scales or 1) == 1)

    def sized(self, part: str) -> bool:
        """Returns whether the bytes of a column or view are known; likewise."""
        return part in COSTS or part in self.known

    def core_seconds(self, part: str) -> float:
        """Returns the core seconds of a column or view, without the start of the jobs; 0 where there are no figures.

        Frames are mostly decoding, whatever size is kept; a core waits for a GPU.
        """
        if not self.timed(part):
            return 0.0
        if part in self.gpu:
            return self._gpu_seconds(part)
        return self.samples(part) * COSTS[part][0].value / 1e3 * (1.0 if part == "frames" else self._scale)

    @property
    def gpu_seconds(self) -> float:
        return sum(self._gpu_seconds(part) for part in self.gpu if part in self.columns)

    def _gpu_seconds(self, part: str) -> float:
        return self.samples(part) * (self.gpu_ms or 0.0) / 1e3

    def bytes(self, part: str) -> float:
        """Returns the bytes of a column or view; 0 where there are no figures."""
        if part in self.known:
            return self.samples(part) * self.known[part].bytes_per_sample
        return self.samples(part) * COSTS[part][1].value * 1e3 * self._scale if part in COSTS else 0.0

    @property
    def making(self) -> float:
        """The core seconds of all columns and views."""
        return sum(map(self.core_seconds, self.parts))

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
    def total_bytes(self) -> float:
        return sum(map(self.bytes, self.parts)) + self.manifest_bytes

    def shard_seconds(self, cluster: bool) -> float:
        """Returns the core seconds of one shard on its way through all stages, which follow one another."""
        start = _start(cluster).value
        return self.making / max(1, self.shards) + (len(self.parts) + 1) * start + self.manifest_seconds

    def seconds(self, cluster: bool) -> float:
        """Returns the core seconds of all its jobs."""
        return self.making + self.jobs * _start(cluster).value + self.manifest_seconds

    @property
    def _scale(self) -> float:
        return self.height * self.width / PIXELS


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


def cost(works: Sequence[Work], cluster: bool) -> Cost:
    """Sums up the cost of columns, views, the starts of jobs, and manifests."""
    return Cost(
        bytes=sum(work.total_bytes for work in works),
        core_seconds=sum(work.seconds(cluster) for work in works) + jobs_beside(works) * _start(cluster).value,
        gpu_seconds=sum(work.gpu_seconds for work in works),
        shard_seconds=max((work.shard_seconds(cluster) for work in works), default=0.0),
    )


def jobs_of(works: Sequence[Work]) -> int:
    """Returns the number of jobs, as `snakemake --dry-run` counts them; without those of experiments."""
    return sum(work.jobs for work in works) + jobs_beside(works)


def jobs_beside(works: Sequence[Work]) -> int:
    """Returns how many jobs are no dataset's own; one compares flow wherever the exact one is known."""
    return JOBS_BESIDE + any({"flow", "truth"} <= {*work.columns} for work in works)


def _start(cluster: bool) -> BenchmarkValue:
    return START_ON_CLUSTER if cluster else START


def report(works: Sequence[Work], terms: Terms, notes: Sequence[str] = ()) -> str:
    """Writes tables: what is made, what each dataset takes where they have names, what all takes, what it assumes."""
    named = [work for work in works if work.name]
    tables = [
        text_table(("made", "samples", "GB", "core hours"), _made(works, terms)),
        *([text_table(_OF_DATASETS, [_of_dataset(work, terms) for work in named])] if named else []),
        text_table(("it takes", ""), _taken(works, terms)),
        *(["\n".join(notes)] if notes else []),
        text_table(("assuming", "", "from"), _assumed(works, terms)),
    ]
    return "\n\n".join(["\n".join(map(_title, works)), *tables, f"Measured on {MACHINE}."])


def _title(work: Work) -> str:
    pairs = f"{work.pairs:,} pairs of {work.width}x{work.height}"
    return f"{work.name}: {work.clips:,} videos, {pairs}" if work.name else f"{work.clips:,} clips: {pairs}"


_OF_DATASETS = ("dataset", "videos", "shards", "jobs", "files", "GB", "core hours", "hours, one core a shard")


def _of_dataset(work: Work, terms: Terms) -> list[Any]:
    """What one dataset takes; last the hours of a run in which every shard has a core of its own."""
    return [
        *(work.name, work.clips, work.shards, work.jobs, work.files, work.total_bytes / 1e9),
        *(work.seconds(terms.cluster) / 3600, work.shard_seconds(terms.cluster) / 3600),
    ]


def _made(works: Sequence[Work], terms: Terms) -> list[list[Any]]:
    rows = [_of_part(work, part) for work in works for part in work.parts]
    jobs = jobs_of(works)
    manifests = [sum(getattr(work, f"manifest_{what}") for work in works) for what in ("bytes", "seconds")]
    return [
        *rows,
        ["manifests", sum(work.rows for work in works), manifests[0] / 1e9, manifests[1] / 3600],
        ["starts of jobs", jobs, None, jobs * _start(terms.cluster).value / 3600],
    ]


def _of_part(work: Work, part: str) -> list[Any]:
    folder = f"{work.name}/" if work.name else ""
    return [
        folder + (part if part in work.columns else f"shards/{part}"),
        work.samples(part),
        work.bytes(part) / 1e9 if work.sized(part) else NOT_MEASURED,
        work.core_seconds(part) / 3600 if work.timed(part) else NOT_MEASURED,
    ]


def _taken(works: Sequence[Work], terms: Terms) -> list[list[Any]]:
    total, (seconds, memory) = cost(works, terms.cluster), _planning(works)
    pairs, shards = sum(work.pairs for work in works), sum(work.shards for work in works)
    unknown = dict.fromkeys(
        part for work in works for part in work.parts if not (work.timed(part) and work.sized(part))
    )
    million = (total.computing(terms) + total.keeping(terms)) / max(1, pairs) * 1e6
    decimals = 0 if total.core_seconds > 36_000 else 2
    return [
        ["bytes", f"{total.bytes / 1e12:,.2f} TB" if total.bytes > 1e11 else f"{total.bytes / 1e9:,.2f} GB"],
        ["core hours", f"{total.core_seconds / 3600:,.{decimals}f}"],
        ["GPU hours", _gpu_hours(works, total)],
        ["dollars, computing", f"{total.computing(terms):,.2f}"],
        ["dollars, keeping it", f"{total.keeping(terms):,.2f}"],
        ["dollars per million pairs", f"{million:,.2f}"],
        ["shards", f"{shards:,} of {pairs / max(1, shards):,.0f} pairs"],
        ["jobs", f"{jobs_of(works):,}"],
        ["files", f"{sum(work.files for work in works):,}"],
        [
            f"wall time, {terms.cores:,} cores",
            f"{total.wall_seconds(terms.cores) / 3600:,.{decimals or 1}f} hours at most",
        ],
        ["planning, once", f"{seconds / 60:,.1f} minutes, {memory:,.1f} GiB"],
        *([[f"without {', '.join(unknown)}", NOT_MEASURED]] if unknown else []),
    ]


def _planning(works: Sequence[Work]) -> tuple[float, float]:
    """The processor seconds and GiB of the process that plans."""
    jobs, clips = jobs_of(works), sum(work.clips for work in works)
    seconds = PLANNING_START[0].value + jobs * PLANNING[0].value / 1e3 + clips * LISTING[0].value / 1e6
    more = jobs * PLANNING[1].value + clips * LISTING[1].value
    return seconds, PLANNING_START[1].value + more / 2**20


def _gpu_hours(works: Sequence[Work], total: Cost) -> str:
    if any(work.gpu and work.gpu_ms is None for work in works):
        return f"flow by a network: {NOT_MEASURED} (--gpu-ms); training: {NOT_MEASURED}"
    if not any(work.gpu for work in works):
        return f"0; flow by a network and training: {NOT_MEASURED}"
    return f"{total.gpu_seconds / 3600:,.1f}; training: {NOT_MEASURED}"


def _assumed(works: Sequence[Work], terms: Terms) -> list[list[Any]]:
    gpu_ms = next((work.gpu_ms for work in works if work.gpu_ms is not None), None)
    told = [
        *(row for work in works for row in (_of_config(work) if work.name else _of_clips(work))),
        ["a core hour", f"${terms.core_hour:g}", "--core-hour, a price to replace"],
        ["a GPU hour", f"${terms.gpu_hour:g}", "--gpu-hour, a price to replace"],
        ["a TB for a month", f"${terms.terabyte_month:g}", "--tb-month, a price to replace"],
        ["GPU ms of a pair", "none" if gpu_ms is None else f"{gpu_ms:g}", "--gpu-ms, to be measured by you"],
        ["months", f"{terms.months:g}", "--months that all columns and views are kept"],
        ["files of a job", str(FILES_PER_JOB), "tar, record, log, and a note of Snakemake's on tar and on record"],
    ]
    figures = {figure: None for work in works for part in work.parts for figure in _figures_of(work, part)}
    more = [_start(terms.cluster), *MANIFEST, *PLANNING_START, *PLANNING, *LISTING]
    return told + [[figure.line, f"{figure.value:g}", figure.benchmark] for figure in [*figures, *more]]


def _of_clips(work: Work) -> list[list[Any]]:
    return [
        ["frames of a clip", f"{work.frames_per_clip:g}", PAPER],
        ["pairs of a clip", f"{work.pairs_per_clip:g}", "the same"],
        ["frames kept at", f"{work.width}x{work.height}", "--width, --height; time and bytes grow with the pixels"],
        ["clips of a shard", f"{work.videos_per_shard:,}", "--videos-per-shard"],
    ]


def _of_config(work: Work) -> list[list[Any]]:
    return [
        [f"{work.name}: frames of a video", f"{work.frames_per_clip:.4g}", work.basis],
        [f"{work.name}: pairs of a video", f"{work.pairs_per_clip:.4g}", "the same"],
        [f"{work.name}: frames kept at", f"{work.width}x{work.height}", "the same"],
    ]


def _figures_of(work: Work, part: str) -> Sequence[BenchmarkValue]:
    """The figures that go into what is said of a column or view."""
    if part not in COSTS:
        return ()
    time, size = COSTS[part]
    return (*([time] if part not in work.gpu else []), *([size] if part not in work.known else []))
