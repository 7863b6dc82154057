"""Views copied into new datasets, video by video: what `merge` and `split` share.

A shard of the new dataset holds samples of one shard of a view that is there already. It is checked before it is read,
and written whole or not at all, so that a run that was killed goes on where it stopped.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from common_fate.datasets.adopted_record import Adopted, write_adopted
from common_fate.datasets.catalog import Plan, Video, read_catalog, read_plan, write_listing
from common_fate.datasets.parts import CATALOG, PLAN, TAKEN
from common_fate.errors import ShardError, UserError
from common_fate.manifest.tables import write_manifest
from common_fate.progress import progress
from common_fate.shards.codecs import encode
from common_fate.shards.column import Members, Shard, sound_shard
from common_fate.shards.files import tidy
from common_fate.shards.keys import video_of
from common_fate.shards.members import measured
from common_fate.shards.record import Record, record_path, summary
from common_fate.shards.tar import header
from common_fate.shards.writer import write_shard


@dataclass(frozen=True)
class Origin:
    """A view to copy from: its folder, the name of its dataset, and that one's plan and videos."""

    folder: Path
    dataset: str
    plan: Plan
    videos: Mapping[str, Video]


@dataclass(frozen=True)
class Piece:
    """A shard to be written: of one shard of a view the samples of some videos.

    `prefix` comes before the videos' ids; `how` goes into the record.
    """

    origin: Origin
    shard: str
    videos: Sequence[str]
    prefix: str
    how: Mapping[str, Any]

    @property
    def tar(self) -> Path:
        return self.origin.folder / f"{self.shard}.tar"

    @property
    def planned(self) -> Sequence[str]:
        """The videos of the whole shard."""
        return self.origin.plan[int(self.shard)]


def open_origin(folder: Path) -> Origin:
    """Opens a view's folder, `results/NAME/shards/VIEW`, with its dataset.

    Raises:
        UserError: it is none, or its dataset has no catalog or plan.
    """
    home = folder.absolute().parents[1]
    if folder.absolute().parent.name != "shards" or not folder.is_dir():
        raise UserError(f"{folder}: not a view's folder, results/DATASET/shards/VIEW")
    if not (home / PLAN).is_file():
        raise UserError(f"{folder}: its dataset has no {PLAN}: adopt it first (python -m pipeline adopt)")
    check_name(home.name, f"{folder}: its dataset's folder")
    plan = read_plan(home / PLAN)
    if not any(plan):
        raise UserError(f"{home / PLAN}: names no video")
    videos = read_catalog(home / CATALOG, [video for shard in plan for video in shard])
    return Origin(folder, home.name, plan, {video.video: video for video in videos})


def check_name(name: str, where: str) -> None:
    """Raises `UserError` unless a name is one of a dataset."""
    if not re.fullmatch("[A-Za-z0-9_]+", name, re.ASCII) or name in TAKEN:
        raise UserError(
            f"{where}: {name!r} cannot be a dataset's name: it should have letters, digits and _ only, and be none of "
            f"{', '.join(TAKEN)}"
        )


def pieces_of(origin: Origin, taken: Callable[[str], bool], prefix: str = "", **how: Any) -> list[Piece]:
    """Returns a piece of each shard that has videos that are taken."""
    shards = ((f"{number:06d}", list(filter(taken, videos))) for number, videos in enumerate(origin.plan))
    return [Piece(origin, shard, videos, prefix, how) for shard, videos in shards if videos]


def write_set(dataset: Path, pieces: Sequence[Piece]) -> Path:
    """Writes a view of a new, adopted dataset, a shard a piece: catalog and plan, shards and records, the manifest.

    Shards that are there already and are made from the same are kept.

    Returns:
        The view's folder.

    Raises:
        ShardError: a shard to copy from is missing or damaged.
        UserError: the pieces do not fit together, or the folder is another dataset's.
    """
    extensions = check_pieces(pieces)
    check_place(dataset, pieces)
    videos = [
        replace(piece.origin.videos[video], video=piece.prefix + video) for piece in pieces for video in piece.videos
    ]
    _check_distinct(videos)
    write_listing(dataset, videos, _plan(pieces))
    view = dataset / "shards" / pieces[0].origin.folder.name
    shards = [f"{number:06d}" for number in range(len(pieces))]
    for piece, shard in progress(list(zip(pieces, shards, strict=True)), len(pieces), f"{dataset.name} {view.name}"):
        _copy(piece, view / f"{shard}.tar", extensions)
    write_manifest(view, shards, f"{dataset.name} ({view.name})", videos)
    write_adopted(dataset, Adopted(tuple(shards), (f"shards/{view.name}",)))
    return view


def _plan(pieces: Sequence[Piece]) -> Plan:
    return [[piece.prefix + video for video in piece.videos] for piece in pieces]


def check_place(dataset: Path, pieces: Sequence[Piece]) -> None:
    """Raises `UserError` where a dataset of other videos stands."""
    if read_plan(dataset / PLAN) not in ([], _plan(pieces)):
        raise UserError(f"{dataset}: is a dataset of other videos: choose another name, or delete it")


def check_pieces(pieces: Sequence[Piece]) -> list[str]:
    """Returns the members of every sample, in the order of the first shard that has any.

    Raises:
        UserError: a shard is missing, of another view, version or members than the first, or holds what cannot be
            copied.
    """
    first: Record | None = None
    extensions: list[str] = []
    for piece in pieces:
        record = Record.read(record_path(piece.tar))
        first = first or record
        view = piece.origin.folder.name
        if record.shard != piece.shard or record.stage != view:
            raise ShardError(f"{piece.tar}: foreign: by its record this is shard {record.shard!r} of {record.stage!r}")
        if (record.stage, record.version) != (first.stage, first.version):
            raise UserError(
                f"{piece.tar}: a shard of {record.stage}, version {record.version}, and {pieces[0].tar} one of "
                f"{first.stage}, version {first.version}: build both by the same"
            )
        extensions = extensions or record.extensions
        if record.samples and set(record.extensions) != set(extensions):
            raise UserError(
                f"{piece.tar}: its samples have {', '.join(record.extensions)}, and those of {pieces[0].origin.folder} "
                f"have {', '.join(extensions)}: only views with the same members go together"
            )
        _check_keys(piece, record)
    return extensions


def _check_keys(piece: Piece, record: Record) -> None:
    """Raises where a key is of a video that is not planned in this shard, or has no room for the prefix."""
    planned = set(piece.planned)
    for key in record.known_keys():
        if video_of(key) not in planned:
            raise ShardError(f"{piece.tar}: has {key!r}, which {PLAN} does not name in this shard: make it again")
    for key in sorted(record.keys, key=len)[-1:]:
        try:
            header(f"{piece.prefix}{key}.{max(record.extensions, key=len)}", 0)
        except ValueError as error:
            raise UserError(f"{piece.tar}: {error}: give the dataset a shorter name") from None


def _check_distinct(videos: Sequence[Video]) -> None:
    seen: set[str] = set()
    for video in videos:
        if video.video in seen:
            raise UserError(f"two videos would be called {video.video}: give one of their datasets another name")
        seen.add(video.video)


def _copy(piece: Piece, tar: Path, extensions: Sequence[str]) -> None:
    """Writes a piece's shard, unless it is there."""
    taken = set(piece.videos)
    source = Record.read(record_path(piece.tar))
    known = _facts(piece, source)
    if _stands(tar, known):
        tidy(record_path(tar))
        tidy(tar)
        return
    part = len(taken) < len(piece.planned)
    values: dict[str, list[float]] = {}

    def samples(shard: Shard) -> Iterator[tuple[str, dict[str, bytes]]]:
        for key in shard:
            if video_of(key) in taken:
                sample = shard[key]
                try:
                    for name, value in measured(sample, source.statistics).items() if part else ():
                        values.setdefault(name, []).append(value)
                    yield piece.prefix + key, _members(sample, extensions, piece.prefix)
                except ValueError as error:
                    raise ShardError(f"{piece.tar}: {key}: {error}") from error

    def facts() -> dict[str, Any]:
        return known | {"statistics": summary(values) if part else source.statistics}

    with sound_shard(piece.tar) as shard:
        write_shard(tar, samples(shard), facts)


def _facts(piece: Piece, source: Record) -> dict[str, Any]:
    """The record's fields that the tar and the samples do not decide: those of the source, and what it was."""
    origin: dict[str, Any] = {"dataset": piece.origin.dataset, "shard": piece.shard, "inputs": source.inputs}
    if "from" in source.provenance:  # it was copied itself
        origin["from"] = source.provenance["from"]
    taken = set(piece.videos)
    return {
        "stage": source.stage,
        "version": source.version,
        "options": source.options,
        "inputs": {source.stage: source.sha256},
        "failures": [
            row | {"key": piece.prefix + row["key"]} for row in source.failures if video_of(row["key"]) in taken
        ],
        "dropped": _kept_drops(source, taken, piece.prefix),
        "software": source.software,
        "provenance": source.provenance | {"from": origin | dict(piece.how)},
    }


def _kept_drops(source: Record, taken: set[str], prefix: str) -> dict[str, list[str]]:
    """The keys, by reason, of what was dropped of some videos."""
    kept = {reason: [prefix + key for key in keys if video_of(key) in taken] for reason, keys in source.dropped.items()}
    return {reason: keys for reason, keys in kept.items() if keys}


def _stands(tar: Path, facts: Mapping[str, Any]) -> bool:
    """Whether an earlier run has written this very shard, and it is whole."""
    try:
        shard = Shard(tar)
        if any(getattr(shard.record, name) != value for name, value in facts.items()):
            return False
        shard.check_sum()
    except ShardError:
        return False
    return True


def _members(sample: Members, extensions: Sequence[str], prefix: str) -> dict[str, bytes]:
    members = {extension: sample.encoded[extension] for extension in extensions}
    if prefix and "video" in (facts := sample.get("json", {})):
        members["json"] = encode("json", facts | {"video": f"{prefix}{facts['video']}"})
    return members
