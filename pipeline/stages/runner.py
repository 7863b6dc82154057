"""The runner: everything about a stage's job that is not the stage's function.

It opens and joins columns, keeps the order, encodes, writes atomically, counts failures, and commits the record.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from common_fate.datasets.catalog import Video, read_catalog, read_planned, shard_digests
from common_fate.datasets.download_records import DOWNLOADED
from common_fate.datasets.reasons import counted_as
from common_fate.errors import ShardError, UserError
from common_fate.progress import progress
from common_fate.shards.codecs import encode
from common_fate.shards.column import Members, Shard, sound_shard
from common_fate.shards.limits import MAX_TEXT
from common_fate.shards.record import Record, summary
from common_fate.shards.runs import Listed, by_reason, count
from common_fate.shards.writer import write_shard
from pipeline.downloads.stored_videos import StoredVideos, stored_videos_of
from pipeline.stages.stage import Dropped, Failure, Items, Outcomes, Sample, Stage, failure, resolved

SOURCE = "source"


def run_stage(
    stage: Stage,
    inputs: Mapping[str, Path],
    to: Path,
    options: Any,
    min_success: float,
    store: Path | None = None,
) -> Record:
    """Makes one shard of a stage's column.

    Args:
        inputs: each of `stage.reads`: a column's tar, or for `source` the dataset's plan.json (its catalog.parquet
            stands beside it).
        to: the tar to write; its name is the shard's number.
        min_success: the share of samples that must be made, and of videos that must give some.
        store: where videos from the web are.

    Raises:
        UserError: an input is damaged, the output cannot be written, or too many samples fail.
    """
    tally = Tally(stage)
    with opened_inputs(stage, inputs, to.stem, store) as read:
        items = progress(items_of(stage, read, read.keys, options), len(read.keys), f"{stage.name} {to.stem}")

        def facts() -> dict[str, Any]:
            tally.check(min_success, len(read.keys))
            return facts_of(stage, options, read, tally)

        return write_shard(to, tally.encoded(stage.run(items, options)), facts)


def opened(tar: Path) -> Shard:
    """Opens a shard after its bytes are checked, so that no damage travels into what is made from it."""
    with advised(tar):
        return sound_shard(tar)


@contextmanager
def advised(tar: Path) -> Iterator[None]:
    """Adds to what is wrong with an input what to do about it."""
    try:
        yield
    except ShardError as error:
        raise ShardError(f"{error}: make it again: `snakemake --cores all --forcerun {tar}`") from error


@dataclass(frozen=True)
class Inputs:
    """What a job reads, opened: `columns` by name, the shard's `videos` by id, and the digest of each input.

    `copies` has the videos themselves where they were fetched.
    """

    columns: Mapping[str, Shard]
    videos: Mapping[str, Video]
    digests: Mapping[str, str]
    copies: StoredVideos | None = None

    @property
    def keys(self) -> list[str]:
        """Of the items, in their order: those of the first column, or where there is none the videos' ids."""
        return list(next(iter(self.columns.values()), self.videos))


@contextmanager
def opened_inputs(stage: Stage, inputs: Mapping[str, Path], shard: str, store: Path | None = None) -> Iterator[Inputs]:
    """Opens each of `stage.reads`. Raises `UserError` where one is missing or damaged, or the shard is not planned."""
    with ExitStack() as stack:
        columns = {name: stack.enter_context(opened(inputs[name])) for name in stage.reads if name != SOURCE}
        videos: list[Video] = []
        copies = None
        digests = {name: column.record.sha256 for name, column in columns.items()}
        if SOURCE in stage.reads:
            videos, digests[SOURCE] = planned_videos(inputs[SOURCE], shard)
            if copies := stored_videos_of(inputs[SOURCE], shard, videos, digests[SOURCE], store):
                digests[DOWNLOADED] = copies.digest
        yield Inputs(columns, {video.video: video for video in videos}, digests, copies)


def planned_videos(plan_path: Path, shard: str) -> tuple[list[Video], str]:
    """Reads a shard's videos, by the plan and the catalog beside it, and the digest of what it says of them."""
    if not shard.isdecimal():
        raise UserError(f"{plan_path}: plans shards by number; there is no shard {shard}")
    ids = read_planned(plan_path, int(shard))
    videos = read_catalog(plan_path.with_name("catalog.parquet"), ids)
    return videos, shard_digests([ids], videos)[0]


def items_of(stage: Stage, inputs: Inputs, keys: Iterable[str], options: Any) -> Items:
    """Returns the stage's items of these keys: videos, or the columns' samples joined.

    Raises:
        UserError: the stage wants the frame before each, and the frames were made without.
    """
    if inputs.columns:
        follow = stage.neighbours(options)
        _check_triplets(stage, follow, next(iter(inputs.columns.values())))
        return _joined(inputs, follow, keys)
    if inputs.copies:
        return ((key, inputs.copies.sample(key)) for key in keys)
    return ((key, {"video": inputs.videos[key]}) for key in keys)


def _check_triplets(stage: Stage, follow: Sequence[str], frames: Shard) -> None:
    if "previous" in follow and frames.record.options.get("triplets") is False:
        raise UserError(f"{stage.name}: reads the frame before each, too: set frames.triplets: true for this dataset")


def _joined(inputs: Inputs, follow: Sequence[str], keys: Iterable[str]) -> Items:
    base, *others = inputs.columns.values()
    nearby: deque[tuple[str, Members]] = deque(maxlen=4 * (len(follow) + 1))

    def members(key: str) -> Members:
        """The base column's members of a key; kept for a while, since a frame's neighbour is soon its own turn."""
        for known, found in nearby:
            if known == key:
                return found
        nearby.append((key, base[key]))
        return nearby[-1][1]

    for key in keys:
        if not all(key in other for other in others):
            continue  # it failed there, and that column's record says why
        parts: list[Sample] = [members(key), *(other[key] for other in others)]
        if follow:
            neighbours = followed(follow, base, key)
            if None in neighbours.values():
                continue
            parts += [_Prefixed(name, members(neighbour)) for name, neighbour in neighbours.items() if neighbour]
        if inputs.videos:
            video, _, _ = key.rpartition("-")
            if video not in inputs.videos:
                raise ShardError(f"{base.path}: has {key}, and no such video is planned for this shard")
            parts.append({"video": inputs.videos[video]})
        yield key, parts[0] if len(parts) == 1 else _Union(parts)


def followed(follow: Sequence[str], base: Shard, key: str) -> dict[str, str | None]:
    """Returns the keys of the frames that join a frame, by field; None where the frame has no such neighbour."""
    return {name: base.neighbour(key, name) for name in follow}


def facts_of(stage: Stage, options: Any, inputs: Inputs, tally: "Tally") -> dict[str, Any]:
    """Returns the record's fields that are not about the tar itself."""
    return {
        "stage": stage.name,
        "version": stage.version,
        "options": resolved(options),
        "inputs": dict(inputs.digests),
        "failures": [{"key": key, "stage": stage.name, "reason": reason} for reason, key in tally.failures.rows()],
        "dropped": tally.dropped(),
        "statistics": tally.statistics(),
        **tools_of(stage, options),
    }


def tools_of(stage: Stage, options: Any) -> dict[str, Any]:
    """Returns what shapes a stage's bytes beside its inputs and options: versions of software, checkpoints."""
    return {
        "software": {name: version(name) for name in stage.software},
        "provenance": stage.provenance(options),
    }


class _Prefixed(Mapping[str, Any]):
    """A neighbour's members, as `{name}.{extension}`."""

    def __init__(self, name: str, sample: Sample) -> None:
        self._prefix = f"{name}."
        self._sample = sample

    def __getitem__(self, key: str) -> Any:
        if not key.startswith(self._prefix):
            raise KeyError(key)
        return self._sample[key.removeprefix(self._prefix)]

    def __iter__(self) -> Iterator[str]:
        return (self._prefix + extension for extension in self._sample)

    def __len__(self) -> int:
        return len(self._sample)


class _Union(Mapping[str, Any]):
    """Members of several columns as one sample; the `json` members are merged, the later column's facts winning."""

    def __init__(self, parts: list[Sample]) -> None:
        self._parts = parts

    def __getitem__(self, extension: str) -> Any:
        found = [part[extension] for part in self._parts if extension in part]
        if extension == "json" and found:
            return {name: value for facts in found for name, value in facts.items()}
        if not found:
            raise KeyError(extension)
        return found[-1]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(extension for part in self._parts for extension in part))

    def __len__(self) -> int:
        return len(set(self))


class Tally:
    """Encodes what a stage makes, and counts: samples made, failures, what was dropped, statistics."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._made = 0
        self._lost = 0  # samples that failures stand for
        self._whole: set[str] = set()  # items that gave nothing
        self._measures: dict[str, list[float]] = {}
        self._dropped = Listed[str]()
        self.failures = Listed[str]()

    def encoded(self, outcomes: Outcomes) -> Iterator[tuple[str, dict[str, bytes]]]:
        """Yields the key and the encoded members of each sample that was made, and counts all others."""
        first: set[str] | None = None
        for outcome in outcomes:
            if isinstance(outcome, Failure):
                self._fail(outcome)
                continue
            if isinstance(outcome, Dropped):
                self._dropped.add(outcome.reason, outcome.key)
                continue
            key, sample = outcome
            try:
                members = _encoded(sample)
                measured = self._stage.measure(sample)
                first = first or set(members)
                if set(members) != first:
                    raise ValueError(f"has members {sorted(members)}, the samples before it {sorted(first)}")
            except Exception as error:
                self._fail(failure(key, error))
                continue
            self._made += 1
            for name, value in measured.items():
                self._measures.setdefault(name, []).append(float(value))
            yield key, members

    def _fail(self, failed: Failure) -> None:
        self.failures.add(failed.reason[:MAX_TEXT], failed.key)
        if failed.lost is None:
            self._whole.add(failed.key)
        else:
            self._lost += failed.lost

    def check(self, min_success: float, items: int) -> None:
        """Raises UserError, with the reasons by count, where too few samples were made, or too few of the items gave
        any: what a video that cannot be opened would have given, nobody knows.
        """
        shares = ((len(self._whole), items, " videos"), (self._lost, self._made + self._lost, ""))
        for failed, total, what in shares:
            if failed and total - failed < min_success * total:
                rows = self.failures.rows()
                told = counted_as(reason for reason, _ in rows)
                reasons = Counter[str]()
                for reason, key in rows:
                    reasons[told[reason]] += count([key])
                listed = "".join(f"\n  {many} x {reason}" for reason, many in reasons.most_common(10))
                raise UserError(
                    f"{self._stage.name}: {failed} of {total}{what} failed, and min_success is {min_success}:{listed}"
                )

    def dropped(self) -> dict[str, list[str]]:
        """Returns the keys of what was dropped, by reason."""
        return by_reason(self._dropped.rows())

    def statistics(self) -> dict[str, dict[str, float]]:
        """Returns the mean, minimum and maximum of each measure of the samples made."""
        return summary(self._measures)


def _encoded(sample: Sample) -> dict[str, bytes]:
    """What comes from a shard keeps its bytes."""
    if isinstance(sample, Members):
        return sample.encoded
    return {extension: encode(extension, value) for extension, value in sample.items()}
