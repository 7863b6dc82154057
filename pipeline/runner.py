"""The runner: everything about a stage's job that is not the stage's function.

It opens and joins columns, keeps the order, encodes, writes atomically, counts failures, and commits the record.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.catalog import read_catalog, read_planned, shard_digests
from pipeline.errors import UserError
from pipeline.progress import progress
from pipeline.shards.codecs import encode
from pipeline.shards.column import Members, Shard
from pipeline.shards.record import Record
from pipeline.shards.writer import write_shard
from pipeline.sources.source import Video
from pipeline.stages import Failure, Items, Sample, Stage, reason_of

SOURCE = "source"


def run_stage(stage: Stage, inputs: Mapping[str, Path], to: Path, options: Any, min_success: float) -> Record:
    """Makes one shard of a stage's column.

    Args:
        inputs: each of `stage.reads`: a column's tar, or for `source` the dataset's plan.json (its catalog.parquet
            stands beside it).
        to: the tar to write; its name is the shard's number.
        min_success: the share of samples that must be made.

    Raises:
        UserError: an input is damaged, the output cannot be written, or too many samples fail.
    """
    tally = _Tally(stage)
    with ExitStack() as stack:
        columns = {name: stack.enter_context(opened(inputs[name])) for name in stage.reads if name != SOURCE}
        videos: list[Video] = []
        digests = {name: column.record.sha256 for name, column in columns.items()}
        if SOURCE in stage.reads:
            videos, digests[SOURCE] = _planned_videos(inputs[SOURCE], to.stem)
        items, total = _items(stage, columns, videos)
        watched = progress(items, total, f"{stage.name} {to.stem}")

        def facts() -> dict[str, Any]:
            tally.check(min_success)
            return {
                "stage": stage.name,
                "version": stage.version,
                "options": asdict(options),
                "inputs": digests,
                "failures": [{"key": f.key, "stage": stage.name, "reason": f.reason} for f in tally.failures],
                "statistics": tally.statistics(),
                "software": {name: version(name) for name in stage.software},
                "provenance": stage.provenance(options),
            }

        return write_shard(to, tally.encoded(stage.run(watched, options)), facts)


def opened(tar: Path) -> Shard:
    """A shard whose bytes are the ones that were written, so that damage never travels into what is made from it."""
    shard = Shard(tar)
    shard.check_sum()
    return shard


def _planned_videos(plan_path: Path, shard: str) -> tuple[list[Video], str]:
    if not shard.isdecimal():
        raise UserError(f"{plan_path}: plans shards by number; there is no shard {shard}")
    ids = read_planned(plan_path, int(shard))
    videos = read_catalog(plan_path.with_name("catalog.parquet"), ids)
    return videos, shard_digests([ids], videos)[0]


def _items(stage: Stage, columns: Mapping[str, Shard], videos: list[Video]) -> tuple[Items, int]:
    """The stage's items and how many there are at most."""
    if not columns:
        return ((video.video, {"video": video}) for video in videos), len(videos)
    by_id = {video.video: video for video in videos}
    base = next(iter(columns.values()))
    return _joined(stage, columns, by_id), len(base)


def _joined(stage: Stage, columns: Mapping[str, Shard], videos: Mapping[str, Video]) -> Items:
    base, *others = columns.values()
    nearby: deque[tuple[str, Members]] = deque(maxlen=4 * (len(stage.follow) + 1))

    def members(key: str) -> Members:
        """The base column's members of a key; kept for a while, since a frame's neighbour is soon its own turn."""
        for known, found in nearby:
            if known == key:
                return found
        nearby.append((key, base[key]))
        return nearby[-1][1]

    for key in base:
        if not all(key in other for other in others):
            continue  # it failed there, and that column's record says why
        parts: list[Sample] = [members(key), *(other[key] for other in others)]
        video, _, _ = key.rpartition("-")
        if stage.follow:
            numbers = [parts[0]["json"][name] for name in stage.follow]
            if None in numbers:
                continue
            for name, number in zip(stage.follow, numbers, strict=True):
                parts.append(_Prefixed(name, members(f"{video}-{number:06d}")))
        if videos:
            parts.append({"video": videos[video]})
        yield key, parts[0] if len(parts) == 1 else _Union(parts)


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


class _Tally:
    """Encodes what a stage makes, and counts: samples made, failures, statistics."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._made = 0
        self._measures: dict[str, list[float]] = {}
        self.failures: list[Failure] = []

    def encoded(self, outcomes: Iterator[tuple[str, Sample] | Failure]) -> Iterator[tuple[str, dict[str, bytes]]]:
        first: set[str] | None = None
        for outcome in outcomes:
            if isinstance(outcome, Failure):
                self.failures.append(outcome)
                continue
            key, sample = outcome
            try:
                members = {extension: encode(extension, value) for extension, value in sample.items()}
                measured = self._stage.measure(sample)
                first = first or set(members)
                if set(members) != first:
                    raise ValueError(f"has members {sorted(members)}, the samples before it {sorted(first)}")
            except Exception as error:
                self.failures.append(Failure(key, reason_of(error)))
                continue
            self._made += 1
            for name, value in measured.items():
                self._measures.setdefault(name, []).append(float(value))
            yield key, members

    def check(self, min_success: float) -> None:
        """Raises UserError, with the reasons by count, where too few samples were made."""
        total = self._made + len(self.failures)
        if not self.failures or self._made >= min_success * total:
            return
        reasons = Counter(failure.reason for failure in self.failures).most_common(10)
        listed = "".join(f"\n  {count} x {reason}" for reason, count in reasons)
        raise UserError(
            f"{self._stage.name}: {len(self.failures)} of {total} failed, and min_success is {min_success}:{listed}"
        )

    def statistics(self) -> dict[str, dict[str, float]]:
        return {
            name: {"mean": round(sum(values) / len(values), 6), "min": min(values), "max": max(values)}
            for name, values in self._measures.items()
        }
