"""Retrying: the failed samples of a dataset made again, through every column and view that follows.

A shard is written anew from the samples that stand in it and those that are made now, so that it is byte for byte what
a full rebuild would give.
"""

import heapq
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from common_fate.datasets.adopted_record import read_adopted
from common_fate.datasets.catalog import Video, read_catalog, read_plan, shard_digests
from common_fate.datasets.download_records import DOWNLOADED
from common_fate.errors import UserError
from common_fate.manifest.sums import SUMS
from common_fate.manifest.tables import write_manifest
from common_fate.progress import progress
from common_fate.shards.column import Shard
from common_fate.shards.files import write_atomic
from common_fate.shards.folders import alone
from common_fate.shards.record import Record, record_path
from common_fate.shards.runs import keys_of
from common_fate.shards.writer import write_shard
from pipeline.downloads.policy import Blocked, DownloadPolicy
from pipeline.downloads.record import Downloads, Missing
from pipeline.downloads.stored_videos import record_of, release
from pipeline.registry import STAGES, VIEWS
from pipeline.stages.runner import SOURCE, Inputs, Tally, facts_of, followed, items_of, opened, opened_inputs, tools_of
from pipeline.stages.stage import Dropped, Failure, Outcome, Stage
from pipeline.upkeep.snakemake_lock import check_unlocked
from pipeline.views import View, build_view

PLAN, CATALOG = "plan.json", "catalog.parquet"


@dataclass(frozen=True)
class Retried:
    """What became of a shard: of `failed` samples `left` still fail; or the trouble that leaves it to Snakemake."""

    tar: Path
    failed: int = 0
    left: int = 0
    trouble: str = ""

    def __str__(self) -> str:
        return self.trouble or f"{self.tar}: {told(self.failed, self.left)}"


def told(failed: int, left: int) -> str:
    """Says how many samples failed, and how many still do."""
    return f"{failed} failed, {left or 'none'} still {'does' if left < 2 else 'do'}"


@dataclass(frozen=True)
class _Change:
    """How a column's shard changed: its sha256 before, and the keys whose samples are new, others or gone."""

    before: str
    keys: set[str]


def retry_failed(dataset: Path, min_success: float, downloading: DownloadPolicy | None = None) -> Iterator[Retried]:
    """Makes the failed samples of a dataset again, shard by shard, and then the manifests of what changed.

    Shards that come out the same stay untouched. Options are those of the records. The first trouble in a shard leaves
    it and what follows from it to Snakemake; the other shards go on.

    Args:
        dataset: `results/NAME`.
        min_success: the share of a shard's samples that must be made, or it stays as it is.
        downloading: of a dataset from the web: what did not come for a passing reason is tried again.

    Raises:
        Blocked: a server turns us away.
        UserError: the folder has no columns that a plan names or was adopted, or Snakemake or another command is at
            work.
    """
    with alone(dataset):
        yield from _retried(dataset, min_success, downloading)


def _retried(dataset: Path, min_success: float, downloading: DownloadPolicy | None) -> Iterator[Retried]:
    if read_adopted(dataset):
        raise UserError(f"{dataset}: was adopted: what failed can be made again where it was made")
    plan = read_plan(dataset / PLAN)
    stages = [stage for name, stage in STAGES.items() if (dataset / name).is_dir()]
    if not plan or not stages:
        raise UserError(f"{dataset}: no dataset that was made here: it has no {PLAN} or no column")
    check_unlocked(dataset.absolute().parent)
    views = [view for name, view in VIEWS.items() if (dataset / "shards" / name).is_dir()]
    videos = read_catalog(dataset / CATALOG, chain.from_iterable(plan))
    digests = shard_digests(plan, videos)
    for number, source in enumerate(digests):
        yield from _shard(dataset, f"{number:06d}.tar", source, stages, views, min_success, downloading)
    for view in views:
        _manifest(dataset / "shards" / view.name, len(plan), f"{dataset.absolute().name} ({view.name})", videos)


def _shard(
    dataset: Path,
    name: str,
    source: str,
    stages: list[Stage],
    views: list[View],
    min_success: float,
    downloading: DownloadPolicy | None,
) -> Iterator[Retried]:
    """Retries one shard in every column, and joins it anew."""
    changes: dict[str, _Change] = {}
    tar = dataset / name
    store = Path(downloading.store) if downloading else None
    try:
        if downloading and (change := _downloaded(record_of(dataset, tar.stem), source, downloading)):
            changes[DOWNLOADED] = change
        for stage in stages:
            tar = dataset / stage.name / name
            old = _standing(tar, stage.version)
            new = _column(stage, tar, old, source, changes, min_success, store)
            if old.failures or new.failures:
                yield Retried(tar, old.failed, new.failed)
        if downloading and not downloading.keep_videos:
            release(dataset, tar.stem, Path(downloading.store))
        for view in views:
            tar = dataset / "shards" / view.name / name
            _view(view, tar)
    except Blocked:
        raise  # the next shard would ask the same server
    except UserError as error:
        yield Retried(tar, trouble=str(error) if str(dataset) in str(error) else f"{tar}: {error}")


def _downloaded(path: Path, source: str, downloading: DownloadPolicy) -> _Change | None:
    """Tries videos again that did not come for a passing reason; what changed in the record, if anything."""
    from pipeline.downloads.engine import fetch_videos  # which brings what goes over the network

    if not path.exists():
        raise UserError(f"{path}: is not there: run `snakemake` to make it")
    old = Downloads.read(path)
    if old.source != source:
        raise UserError(f"{path}: was made from other videos than the catalog has now: run `snakemake` instead")
    again = [name for name, entry in old.videos.items() if isinstance(entry, Missing) and entry.temporary]
    videos = read_catalog(path.parents[1] / CATALOG, again) if again else []
    new = Downloads(source, {**old.videos, **fetch_videos(videos, path, downloading)} if videos else old.videos)
    if new == old:
        return None
    write_atomic(path, new.text().encode())
    return _Change(old.digest, {name for name in again if new.videos[name] != old.videos[name]})


def _standing(tar: Path, version: int) -> Record:
    if not tar.exists():
        raise UserError(f"{tar}: is not there: run `snakemake` to make it")
    record = Shard(tar).record
    if record.version != version:
        raise UserError(f"{tar}: was made by version {record.version}, now it is {version}: run `snakemake` instead")
    return record


def _column(
    stage: Stage,
    tar: Path,
    old: Record,
    source: str,
    changes: dict[str, _Change],
    min_success: float,
    store: Path | None,
) -> Record:
    """Retries one shard of a column, if anything in it failed or what it was made from changed."""
    dataset = tar.parent.parent
    columns = {name: dataset / name / tar.name for name in stage.reads if name != SOURCE}
    now, made_from = _digests(columns), list(columns.values())
    if store and SOURCE in stage.reads:
        made_from.append(record_of(dataset, tar.stem))
        now[DOWNLOADED] = Downloads.read(made_from[-1]).digest
    if old.inputs.get(SOURCE, source) != source:
        raise UserError(f"{tar}: was made from other videos than the catalog has now: run `snakemake` instead")
    new = old
    if old.failures or old.inputs != old.inputs | now:
        new = _written(stage, columns | {SOURCE: dataset / PLAN}, tar, old, changes, min_success, store)
    if new == old and _older(tar, made_from):
        # What it was made from was written again, with the same bytes.
        os.utime(tar)
        os.utime(record_path(tar))
    return new


def _digests(columns: Mapping[str, Path]) -> dict[str, str]:
    """The sha256 of each shard that is there: a column may have been deleted to save space."""
    return {name: Record.read(record_path(tar)).sha256 for name, tar in columns.items() if tar.exists()}


def _older(tar: Path, inputs: Iterable[Path]) -> bool:
    """Whether a shard is older than what it was made from, so that Snakemake would make it again."""
    written = min(path.stat().st_mtime_ns for path in (tar, record_path(tar)))
    return any(path.stat().st_mtime_ns > written for path in inputs if path.exists())


def _written(
    stage: Stage,
    inputs: Mapping[str, Path],
    tar: Path,
    old: Record,
    changes: dict[str, _Change],
    min_success: float,
    store: Path | None,
) -> Record:
    """Writes a shard from the samples that stand in it and those that are made now; adds to `changes` what differs."""
    options = _options(stage, tar, old)
    tally, made, changed = Tally(stage), set[str](), set[str]()
    with opened_inputs(stage, inputs, tar.stem, store) as read, opened(tar) as shard:
        place = {item: number for number, item in enumerate(read.keys)}
        redo = _to_redo(stage, read, old, options, changes)
        again = [item for item in place if item in redo]
        items = progress(items_of(stage, read, again, options), len(again), f"{stage.name} {tar.stem}")
        kept = ((key, shard[key]) for key in shard if _item(stage, key) not in redo)
        stay = {item: number for item, number in place.items() if item not in redo}
        still = _failing(stage, old, stay)
        dropped = (Dropped(key, reason) for key, reason in _left_out(stage, _dropped(old), stay))
        made_now = stage.run(items, options)
        outcomes = heapq.merge(kept, still, dropped, made_now, key=lambda outcome: place[_item(stage, _key(outcome))])

        def samples() -> Iterator[tuple[str, dict[str, bytes]]]:
            for key, members in tally.encoded(outcomes):
                made.add(key)
                if _item(stage, key) in redo and (key not in shard or shard[key].encoded != members):
                    changed.add(key)
                yield key, members

        def facts() -> dict[str, Any]:
            tally.check(min_success, len(read.keys))
            _check_kept(tar, old, made, tally.failures.rows())
            return facts_of(stage, options, read, tally)

        new = write_shard(tar, samples(), facts, standing=old)
    if new != old:
        changes[stage.name] = _Change(old.sha256, changed | (set(old.keys) - made))
    return new


def _failing(stage: Stage, old: Record, place: Mapping[str, int]) -> Iterator[Failure]:
    """What failed of the items that are not made again, in the order of their places."""
    with_samples = {_item(stage, key) for key in old.keys}
    for key, reason in _left_out(stage, ((row["key"], row["reason"]) for row in old.failures), place):
        item = _item(stage, key)
        nothing = stage.reads == (SOURCE,) and key == item and item not in with_samples
        yield Failure(key, reason, None if nothing else 1)


def _dropped(old: Record) -> Iterator[tuple[str, str]]:
    return ((key, reason) for reason, keys in old.dropped.items() for key in keys)


def _left_out(stage: Stage, rows: Iterable[tuple[str, str]], place: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Keys and reasons of the items that are not made again, in the order of their places, one by one."""
    of_items = ((item, text, reason) for text, reason in rows for item in _items(stage, text) if item in place)
    for item, text, reason in sorted(of_items, key=lambda row: place[row[0]]):
        yield from ((key, reason) for key in (keys_of(text) if item == _video(text) else [item]))


def _options(stage: Stage, tar: Path, record: Record) -> Any:
    try:
        return stage.options(**record.options)
    except (TypeError, ValueError) as error:
        raise UserError(f"{tar}: its record's options are not what {stage.name} takes: {error}") from error


def _to_redo(stage: Stage, read: Inputs, old: Record, options: Any, changes: Mapping[str, _Change]) -> set[str]:
    """The items that failed or whose inputs changed; all of them where what stands is not known to be still right."""
    changed: set[str] = set()
    known = tools_of(stage, options) == {"software": old.software, "provenance": old.provenance}
    for name, digest in read.digests.items():
        if digest != old.inputs.get(name):
            known &= name in changes and changes[name].before == old.inputs.get(name)
            changed |= changes[name].keys if name in changes else set()
    if not known:
        return set(read.keys)
    failed = {item for row in old.failures for item in _items(stage, row["key"])}
    if read.copies:  # of a video that is deleted once its frames are made, what failed stays so
        failed = {item for item in failed if not read.copies.away(item)}
    return failed | changed | _neighbours(stage.neighbours(options), read, changed)


def _neighbours(follow: Sequence[str], read: Inputs, changed: set[str]) -> set[str]:
    """The samples that a changed frame is joined to."""
    if not follow or not changed:
        return set()
    base = next(iter(read.columns.values()))
    return {key for key in base if not changed.isdisjoint(filter(None, followed(follow, base, key).values()))}


def _item(stage: Stage, key: str) -> str:
    """What a stage is given to make a sample: the sample of its columns, or a video where it reads no column."""
    return _video(key) if stage.reads == (SOURCE,) else key


def _items(stage: Stage, text: str) -> Iterable[str]:
    """The items of a key or of a run of frames, which is of one video."""
    return [_video(text)] if stage.reads == (SOURCE,) else keys_of(text)


def _video(key: str) -> str:
    """The video of a sample's or a failure's key; a whole video's failure has its id."""
    return key.partition("-")[0]


def _key(outcome: Outcome) -> str:
    return outcome[0] if isinstance(outcome, tuple) else outcome.key


def _check_kept(tar: Path, old: Record, made: set[str], failures: Iterable[tuple[str, str]]) -> None:
    """Raises `UserError` where a video would lose all samples that it has: a file that is away, most likely."""
    if lost := {_video(key) for key in old.keys} - {_video(key) for key in made}:
        video = min(lost)
        reason = next((reason for reason, key in failures if _video(key) == video), "no sample is left of it")
        raise UserError(f"{tar}: stays as it is, for {video} would lose all its samples: {reason}")


def _view(view: View, tar: Path) -> None:
    """Joins a shard again where its columns changed, or where a run that was killed left no record."""
    columns = {name: tar.parents[2] / name / tar.name for name in view.columns}
    if not tar.exists() or record_path(tar).exists():
        old = _standing(tar, view.version)
        if old.inputs == old.inputs | _digests(columns) and not _older(tar, columns.values()):
            return
    build_view(view, columns, tar)


def _manifest(folder: Path, shards: int, title: str, videos: Sequence[Video]) -> None:
    """Writes a manifest again that is older than one of its records; one that lacks a shard waits for Snakemake."""
    names = [f"{number:06d}" for number in range(shards)]
    records = [folder / f"{name}.json" for name in names]
    last = folder / SUMS  # of the manifest, to be written
    if all(path.exists() for path in records) and not (
        last.exists() and last.stat().st_mtime_ns >= max(path.stat().st_mtime_ns for path in records)
    ):
        write_manifest(folder, names, title, videos)
