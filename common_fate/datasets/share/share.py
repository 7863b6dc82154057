"""Sharing: a folder of shards that another lab can use as it is.

`share.json` is written first and `SHA256SUMS` last: a share that was interrupted lacks its sums, so it never verifies
as whole, and sharing again goes on with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path, PurePath
from typing import Any

import cv2

from common_fate.datasets import show as drawing
from common_fate.datasets.adopted_record import shard_names
from common_fate.datasets.catalog import Video, catalog_file, read_catalog, read_plan
from common_fate.datasets.parts import PLAN, VIEWS, in_made_order, is_column, shards_in
from common_fate.datasets.share.card import card
from common_fate.datasets.share.description import (
    CATALOG,
    SHARE,
    SHEET,
    Shared,
    bare,
    begin,
    portable_record,
    portable_video,
)
from common_fate.datasets.share.recipe import RECIPE, recipe
from common_fate.datasets.stats import stats
from common_fate.errors import ShardError, UserError
from common_fate.manifest.croissant import Publication, croissant
from common_fate.manifest.samples import SAMPLES
from common_fate.manifest.sums import SUMS, read_sums, shard_sums, sums_file, sums_of
from common_fate.manifest.tables import as_json, manifest_tables, members, write_manifest
from common_fate.progress import progress
from common_fate.shards.files import write_atomic
from common_fate.shards.folders import alone
from common_fate.shards.record import Record, file_sha256
from common_fate.shards.writer import copy_shard
from common_fate.tables import Table

FRAMES = "frames"
SAMPLES_DRAWN = 6


def share(sources: Sequence[Path], to: Path, without_pixels: bool, publication: Publication) -> Shared:
    """Writes a view, the frames, or columns without pixels to a folder, with all that another lab needs to use them.

    Shards are copied and their sums compared on the way; those without a sample are left out, and what failed in them
    stands in the record of the shard before. Records, catalog and card name no place on this machine.
    Sharing the same again brings the folder up to date.

    Args:
        sources: one view (`results/NAME/shards/VIEW`), or the frames or some other columns (`results/NAME/COLUMN`).
        without_pixels: of a view, the columns that it joins, but for the frames.

    Raises:
        UserError: these cannot be shared together, have no sample, or `to` holds something else or is being written.
        ShardError: a shard is missing or damaged. What was written so far does not verify.
    """
    with alone(to):
        home, parts = _parts(sources, without_pixels)
        plan = read_plan(home / PLAN)
        videos = [portable_video(video) for video in read_catalog(home / CATALOG, chain.from_iterable(plan))]
        if _has_pixels(parts[0]):
            return _share_pixels(home, parts[0], to, videos, publication)
        return _share_columns(home, [part.name for part in parts], to, videos, publication)


def _parts(sources: Sequence[Path], without_pixels: bool) -> tuple[Path, list[Path]]:
    """The dataset, and the folders of the view or the columns that are to be shared, in the order they were made."""
    homes, parts = set[Path](), dict[str, Path]()
    for source in sources:
        place = source.resolve()
        view = place.parent.name == VIEWS
        home = place.parent.parent if view else place.parent
        if not (home / PLAN).exists() or not ((view and place.is_dir()) or is_column(place)):
            raise UserError(f"{source}: neither a view (results/NAME/shards/VIEW) nor a column (results/NAME/COLUMN)")
        homes.add(home)
        parts |= _columns_of(place) if view and without_pixels else {place.name: place}
    if len(homes) > 1:
        raise UserError("columns that are shared together are of one dataset: share each dataset by itself")
    if FRAMES in parts and without_pixels:
        raise UserError("frames are pixels: leave them out, or leave out --without-pixels")
    wanted = [parts[name] for name in in_made_order({name: _inputs(place) for name, place in parts.items()})]
    pixels = [place.name for place in wanted if _has_pixels(place)]
    if pixels and len(wanted) > 1:
        raise UserError(f"{pixels[0]} has pixels and is shared by itself; --without-pixels leaves them out of a view")
    return homes.pop(), wanted


def _has_pixels(place: Path) -> bool:
    return place.parent.name == VIEWS or place.name == FRAMES


def _columns_of(view: Path) -> dict[str, Path]:
    """The columns that a view joins, but for the frames, by name."""
    record = _first_record(view)
    if record is None or not record.joined:
        raise UserError(f"{view}: its records do not say which columns it joins: name the columns themselves")
    return {column: view.parents[1] / column for column in record.joined if column != FRAMES}


def _inputs(place: Path) -> list[str]:
    record = _first_record(place)
    return list(record.inputs) if record else []


def _first_record(place: Path) -> Record | None:
    return next((Record.read(place / f"{shard}.json") for shard in shards_in(place)), None)


def _share_pixels(home: Path, source: Path, to: Path, videos: list[Video], publication: Publication) -> Shared:
    """A view or the frames: the shards lie in the folder itself."""
    shared = Shared(home.name, (source.name,))
    begin(to, shared)
    records = _copied(source, shard_names(home), to)
    extensions = members(to, records)
    files = manifest_tables(records, extensions, videos) | _pictures(shared.title, {SHEET: to})
    _finish(_SharedFolder(to, shared, {".": records}, videos, publication), files, shard_sums(to, records))
    return shared


def _share_columns(home: Path, parts: Sequence[str], to: Path, videos: list[Video], publication: Publication) -> Shared:
    """Columns without pixels: each in a folder of its own, and the recipe of their frames."""
    shards = shard_names(home)
    shared = Shared(home.name, tuple(parts), _extraction(home / FRAMES, shards))
    begin(to, shared)
    files = {RECIPE: recipe(home / FRAMES, shards)}
    folders, sums = dict[str, list[Record]](), dict[str, str]()
    for part in parts:
        folders[part] = _copied(home / part, shards, to / part)
        kept = [record.shard for record in folders[part]]
        write_manifest(to / part, kept, f"{home.name} ({part})", videos)
        sums |= {f"{part}/{name}": digest for name, digest in read_sums(to / part / SUMS).items()}
        sums[f"{part}/{SUMS}"] = file_sha256(to / part / SUMS)
    files |= _pictures(shared.title, {f"contact_sheet_{part}.png": to / part for part in parts})
    _finish(_SharedFolder(to, shared, folders, videos, publication), files, sums)
    return shared


@dataclass(frozen=True)
class _SharedFolder:
    """A shared folder: the records of its folders of shards by their paths in it, `.` for itself; the videos."""

    path: Path
    shared: Shared
    records: Mapping[str, list[Record]]
    videos: list[Video]
    publication: Publication


def _finish(folder: _SharedFolder, files: dict[str, bytes], sums: dict[str, str]) -> None:
    """Writes what describes the shards, and last the sums of everything."""
    to, title, publication = folder.path, folder.shared.title, folder.publication
    sheets = [name for name in files if name.startswith("contact_sheet")]
    tables = numbers({part: to / path for part, path in zip(folder.shared.parts, folder.records, strict=True)})
    text = card(folder.shared, folder.records, folder.videos, tables, sheets, publication)
    files |= {CATALOG: catalog_file(folder.videos), "README.md": text.encode()}
    sums |= sums_of(files) | {SHARE: file_sha256(to / SHARE)}
    stated = tuple(sorted({video.license for video in folder.videos if video.license}))
    files["croissant.json"] = as_json(
        croissant(
            title,
            f"{title}: see README.md.",
            sums,
            {str(PurePath(part, SAMPLES)): members(to / part, records) for part, records in folder.records.items()},
            publication if publication.licenses else replace(publication, licenses=stated),
        )
    )
    for name, data in files.items():
        write_atomic(to / name, data)
    write_atomic(to / SUMS, sums_file(sums | sums_of(files)))


def numbers(folders: Mapping[str, Path]) -> list[Table]:
    """Returns what `stats` says of columns or views, by their names: their sizes, their measures, their failures and
    drops.
    """
    found = [stats(folder) for folder in folders.values()]
    rows = [[name, *table.rows[0][1:]] for name, (table, *_) in zip(folders, found, strict=True)]
    tables = [replace(found[0][0], rows=rows)]
    for _, shards, *_ in found:
        *_, whole = shards.rows
        if shards.columns[4:-1]:  # between the counts and the size
            tables.append(Table(shards.title, shards.columns[4:-1], [whole[4:-1]], shards.note))
    failures = [row for _, _, table, *_ in found for row in table.rows]
    dropped = [table for _, _, _, *drops in found for table in drops]
    return [*tables, *([replace(found[0][2], rows=failures, note="")] if failures else []), *dropped]


def _copied(source: Path, shards: Sequence[str], to: Path) -> list[Record]:
    """Copies the shards that have samples: readers of others stumble over a tar without any."""
    kept = _with_samples(source, shards)
    for shard in shards:
        if shard not in kept:  # an earlier share may have it
            for suffix in (".json", ".tar"):
                (to / f"{shard}{suffix}").unlink(missing_ok=True)
    return [
        copy_shard(source / f"{shard}.tar", to / f"{shard}.tar", partial(_telling, empty))
        for shard, empty in progress(list(kept.items()), len(kept), f"sharing {source.name}")
    ]


def _with_samples(source: Path, shards: Sequence[str]) -> dict[str, list[Record]]:
    """The shards that have samples, each with the records of those after it that have none; the first also with those
    before it.
    """
    kept: dict[str, list[Record]] = {}
    empty: list[Record] = []
    for shard in shards:
        record = Record.read(source / f"{shard}.json")
        if record.samples:
            kept[shard] = empty = [] if kept else empty
        else:
            empty.append(record)
    if not kept:
        raise UserError(f"{source}: has no sample in any of its shards: there is nothing to share")
    return kept


def _telling(empty: Sequence[Record], record: Record) -> Record:
    """A record to pass on, which also says what failed and was dropped in shards that stay here."""
    failures = [*record.failures, *(row for other in empty for row in other.failures)]
    dropped = {reason: list(keys) for reason, keys in record.dropped.items()}
    for other in empty:
        for reason, keys in other.dropped.items():
            dropped.setdefault(reason, []).extend(keys)
    return portable_record(replace(record, failures=failures, dropped=dropped))


def _extraction(frames: Path, shards: Sequence[str]) -> dict[str, Any]:
    """How the frames were extracted: what their records have in common."""
    found = [Record.read(frames / f"{shard}.json") for shard in shards]
    facts = [
        {"version": r.version, "options": bare(r.options), "software": r.software, "provenance": bare(r.provenance)}
        for r in found
    ]
    if any(fact["options"] != facts[0]["options"] or fact["version"] != facts[0]["version"] for fact in facts):
        raise UserError(f"{frames}: its shards were made with different options: run `snakemake` to make them alike")
    return facts[0] if facts else {}


def _pictures(title: str, folders: Mapping[str, Path]) -> dict[str, bytes]:
    """The contact sheet of each folder of shards that has something to draw."""
    found = {}
    for name, folder in folders.items():
        try:
            picture = drawing.show(folder, SAMPLES_DRAWN, title)
        except ShardError:
            raise
        except UserError:
            continue  # no sample, or guidance without its flow
        found[name] = cv2.imencode(PurePath(name).suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
    return found
