"""The estimate of config.yaml's datasets: from their videos, a look at some of them, and shards that are there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

from common_fate.datasets.catalog import Plan, Video, extended, read_plan
from common_fate.errors import ShardError, check_machine
from common_fate.shards.record import Record
from pipeline.columns.frames.selection import select
from pipeline.columns.frames.stage import FramesOptions, resized_shape
from pipeline.config.load import Dataset
from pipeline.registry import STAGES, VIEWS
from pipeline.sources import SOURCES
from pipeline.sources.source import Frame
from pipeline.upkeep.estimate import PAPER, Known, Work

_LOOKED_AT = 3  # videos, or shards
_COUNTED = {"select", "pairs", "triplets", "shorter_side", "seed"}  # options of frames that the numbers follow


@dataclass(frozen=True)
class Told:
    """What the command line says of every dataset, in place of what would be found; None where it says nothing."""

    frames_per_clip: float | None = None
    pairs_per_clip: float | None = None
    width: int | None = None
    height: int | None = None
    gpu_ms: float | None = None


@dataclass(frozen=True)
class _Extent:
    """How much a video gives: frames, pairs, and their size; `basis` says how that is known."""

    frames: float
    pairs: float
    height: int
    width: int
    basis: str


def work_of(dataset: Dataset, results: Path, told: Told) -> Work:
    """Returns what a dataset of config.yaml takes as a whole, whatever of it is there.

    Its frames, pairs and bytes are those of shards that are there and were made with these options; else its pairs are
    those of some of its videos, which are opened; videos that are not here yet are taken to be like YFCC100M's.

    Raises:
        UserError: its source cannot be listed, or its plan cannot be read.
    """
    videos = dataset.videos()
    plan = extended(
        read_plan(results / dataset.name / "plan.json"), (one.video for one in videos), dataset.videos_per_shard
    )
    known = _known(dataset, results, plan)
    extent = _told(_extent(dataset, results, videos, known), told)
    if told.frames_per_clip is not None or told.pairs_per_clip is not None:
        known = {}
    return Work(
        clips=len(videos),
        frames_per_clip=extent.frames,
        pairs_per_clip=extent.pairs,
        height=extent.height,
        width=extent.width,
        views=dataset.views,
        videos_per_shard=dataset.videos_per_shard,
        gpu_ms=told.gpu_ms,
        name=dataset.name,
        basis=extent.basis,
        gpu=[name for name in dataset.columns if STAGES[name].gpu(dataset.stages[name])],
        more=dataset.columns,
        planned=len(plan),
        options=dataset.stages,
        downloaded=dataset.downloading is not None,
        known=known,
    )


def notes_of(dataset: Dataset, work: Work, cores: int) -> Iterator[str]:
    """Yields what is to be known of a dataset's numbers, a line each."""
    size = max(1, work.clips // cores)
    if work.shards < cores and size < dataset.videos_per_shard and work.shards < work.clips:
        yield (
            f"{work.name}: {_count(work.shards, 'shard')} keep{'s' * (work.shards == 1)} {work.shards:,} of {cores:,} "
            f"cores busy, for a shard is one core's work: set datasets.{work.name}.videos_per_shard: {size} (it is "
            f"{dataset.videos_per_shard}) before its first run, for shards that stand keep theirs"
        )
    if work.downloaded:
        yield f"{work.name}: the time that its videos take to come is not counted"
    for name in dataset.columns:
        options, usual = dataset.stages[name], STAGES[name].options()
        followed = _COUNTED if name == "frames" else set()
        other = [
            one.name
            for one in fields(options)
            if one.name not in followed and getattr(options, one.name) != getattr(usual, one.name)
        ]
        if other and name not in work.gpu:
            yield f"{work.name}: {name} is counted as with the defaults of {', '.join(other)}, which were measured"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _told(extent: _Extent, told: Told) -> _Extent:
    given: dict[str, Any] = {
        "frames": told.frames_per_clip,
        "pairs": told.pairs_per_clip,
        "width": told.width,
        "height": told.height,
    }
    said = {name: value for name, value in given.items() if value is not None}
    return replace(extent, **said, basis=f"{extent.basis}; as you say: {', '.join(said)}") if said else extent


def _known(dataset: Dataset, results: Path, plan: Plan) -> dict[str, Known]:
    """What shards say that are there, of each column and view, if their options are those of config.yaml."""
    known = {}
    for part in (*dataset.columns, *dataset.views):
        shards = list(_shards(dataset, results, part, plan))
        videos = sum(len(plan[int(record.shard)]) for record in shards)
        samples = sum(record.samples for record in shards)
        if samples and videos:
            known[part] = Known(samples / videos, sum(record.bytes for record in shards) / samples)
    return known


def _shards(dataset: Dataset, results: Path, part: str, plan: Plan) -> Iterator[Record]:
    """The records of the first shards of a column or view that are there."""
    folder = results / dataset.name / (part if part in STAGES else f"shards/{part}")
    columns = [part] if part in STAGES else list(VIEWS[part].columns)
    options: Any = {column: dataset.options(column) for column in columns}
    planned = (
        path for path in sorted(folder.glob("[0-9]*.json")) if path.stem.isdecimal() and int(path.stem) < len(plan)
    )
    for path in islice(planned, _LOOKED_AT):
        try:
            record = Record.read(path)
        except ShardError:
            continue  # which `verify` names
        if record.shard == path.stem and record.options == (options[part] if part in STAGES else options):
            yield record


def _extent(dataset: Dataset, results: Path, videos: Sequence[Video], known: Mapping[str, Known]) -> _Extent:
    options: FramesOptions = dataset.stages["frames"]
    if "frames" in known and ("flow" in known or "flow" not in dataset.columns):
        return _of_shards(dataset, results, known)
    if not dataset.downloading and (looked := _looked_at(videos, options)):
        return looked
    height = options.shorter_side or 416
    why = "videos that are not here yet" if dataset.downloading else "videos none of which could be read"
    pairs = 0.0 if options.pairs == "none" else 6.15
    return _Extent(
        7.8, pairs, height, round(height * 555 / 416), f"{why}, as {PAPER}; --frames-per-clip, --pairs-per-clip"
    )


def _of_shards(dataset: Dataset, results: Path, known: Mapping[str, Known]) -> _Extent:
    plan = read_plan(results / dataset.name / "plan.json")
    records = list(_shards(dataset, results, "frames", plan))
    width, height = (fmean(record.statistics[name]["mean"] for record in records) for name in ("width", "height"))
    pairs = known["flow"].samples_per_clip if "flow" in known else 0.0
    basis = f"{_count(len(records), 'shard')} that {'is' if len(records) == 1 else 'are'} there"
    return _Extent(known["frames"].samples_per_clip, pairs, round(height), round(width), basis)


def _looked_at(videos: Sequence[Video], options: FramesOptions) -> _Extent | None:
    """What some videos give, spread evenly over all; filters, which leave frames out, are not counted."""
    places = sorted({len(videos) * (2 * i + 1) // (2 * _LOOKED_AT) for i in range(_LOOKED_AT)})
    found = list(filter(None, map(partial(_given, options=options), (videos[place] for place in places))))
    if not found:
        return None
    frames, pairs, heights, widths = (fmean(column) for column in zip(*found, strict=True))
    basis = f"{_count(len(found), 'video')} looked at" + "; before filters" * bool(options.filters)
    return _Extent(frames, pairs, round(heights), round(widths), basis)


def _given(video: Video, options: FramesOptions) -> tuple[int, int, int, int] | None:
    """A video's selected frames and pairs, and the height and width they are kept at; None of one that is no video."""
    source = SOURCES[video.kind]
    try:
        numbers = source.numbers(video)
        chosen = select(numbers, options.select, options.pairs, options.triplets, options.seed, video.video)
        first = next(iter(source.read(video, chosen.frames[:1])), None)
    except Exception as error:
        check_machine(error, video.video)
        return None
    if not isinstance(first, Frame):
        return None
    height, width = first.shown if options.square_pixels and first.shown else first.image.shape[:2]
    return len(chosen.frames), len(chosen.next), *resized_shape(height, width, options.shorter_side)
