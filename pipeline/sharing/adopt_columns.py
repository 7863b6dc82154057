"""Adopting columns without pixels: their frames come from the receiver's own copies of the videos."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from common_fate.datasets.adopted_record import Adopted, write_adopted
from common_fate.datasets.catalog import Plan, Video, read_catalog, write_catalog, write_plan
from common_fate.datasets.share.description import CATALOG, Shared
from common_fate.datasets.share.recipe import Rows, distance, perceptual_hash, pixels_sha256, read_recipe, recipe_tables
from common_fate.errors import ShardError, UserError
from common_fate.manifest.tables import write_manifest
from common_fate.progress import progress
from common_fate.shards.codecs import decode
from common_fate.shards.files import write_atomic
from common_fate.shards.folders import alone, put, staged
from common_fate.shards.keys import frame_key
from common_fate.shards.record import Record, record_path
from common_fate.shards.tar import END
from common_fate.shards.writer import copy_shard
from pipeline.columns.frames import stage as frames
from pipeline.registry import STAGES, VIEWS
from pipeline.sharing.adopt_view import Adoption, check_place, check_shards, present
from pipeline.sharing.own_videos import own_copies
from pipeline.stages.runner import run_stage
from pipeline.stages.stage import Failure, Items, Outcome, Outcomes, Stage
from pipeline.views import View, build_view

FAR = 8
"""Perceptual hashes of one picture, encoded twice, differ in no more of 64 bits, those of other pictures in more."""


@dataclass
class Compared:
    """How the frames of one's own copies compare with a recipe: `exact` in every pixel, `alike` to look at."""

    wanted: int = 0
    exact: int = 0
    alike: int = 0
    differing: int = 0
    videos_absent: int = 0

    @property
    def absent(self) -> int:
        """Frames that the copies lack, or that cannot be read."""
        return self.wanted - self.exact - self.alike - self.differing


def join(folder: Path, shared: Shared, dataset: Path, videos: str | None) -> tuple[Adoption, Compared]:
    """Makes a dataset of columns without pixels and the frames that their recipe names.

    A frame is taken where its pixels are those of the recipe, or where it looks the same; any other is a failure row
    with its reason. Then the columns are joined into every view that they suffice for.

    Args:
        dataset, videos: as of `pipeline.sharing.adopt_view.adopt` and `pipeline.sharing.own_videos.own_copies`.

    Raises:
        UserError: no frame is one of the recipe's, or something else is in the way.
        ShardError: a shard is damaged.
    """
    if unknown := [part for part in shared.parts if part not in STAGES]:
        raise ShardError(f"{folder}: has a column {unknown[0]!r}, which no stage here makes: nothing was adopted")
    with alone(dataset), staged(dataset) as staging:
        shards, missing = _present(folder, shared)
        check_shards(folder, missing)
        records = {part: _records(folder / part, shards) for part in shared.parts}
        check_place(dataset, records)
        plan, wanted = _planned(folder, shards)
        options = _options(folder, shared)
        compared = Compared(wanted=wanted)
        known = read_catalog(folder / CATALOG, [video for shard in plan for video in shard])
        own = own_copies(known, videos)
        compared.videos_absent = sum(video.kind == "adopted" for video in own)
        write_catalog(staging / CATALOG, own)
        write_plan(staging / "plan.json", plan)
        recipe = progress(read_recipe(folder, shards), len(shards), f"adopting {dataset.name}")
        for shard, rows in recipe:
            for part in shared.parts:
                _copy(folder / part / f"{shard}.tar", staging / part / f"{shard}.tar", records[part][shard])
            stage = _checked(rows, compared)
            run_stage(stage, {"source": staging / "plan.json"}, staging / "frames" / f"{shard}.tar", options, 0)
        if not compared.exact + compared.alike:
            raise UserError(f"{folder}: none of its {compared.wanted} frames is in these videos: nothing was adopted")
        views = [
            view
            for view in VIEWS.values()
            if set(view.columns) <= {*shared.parts, "frames"} and (options.triplets or not view.follow)
        ]
        for view in views:
            _join(view, staging, shards, f"{dataset.name} ({view.name})", own)
        write_adopted(staging, Adopted(tuple(shards), shared.parts))
        put(staging, dataset)
    return Adoption(shards, missing, [view.name for view in views]), compared


def _present(folder: Path, shared: Shared) -> tuple[list[str], list[str]]:
    """The shards that every column has here, and those that one of them lacks, though its manifest names it."""
    by_part = [present(folder / part) for part in shared.parts]
    names = sorted({name for found in by_part for names in found for name in names})
    here = set(names).difference(*(lacking for _, lacking in by_part))
    if not here:
        raise UserError(f"{folder}: has no shard of which all of {', '.join(shared.parts)} are there")
    return [name for name in names if name in here], [name for name in names if name not in here]


def _records(folder: Path, shards: Sequence[str]) -> dict[str, Record]:
    """The records of a column's shards. One that its manifest does not name, though another column's does, has no
    sample: `share` leaves those out.
    """
    there = {shard: Record.read(path) for shard in shards if (path := folder / f"{shard}.json").exists()}
    like = next(iter(there.values()))
    none = Record(
        like.stage,
        like.version,
        shard="",
        options=like.options,
        inputs={},
        sha256=hashlib.sha256(END).hexdigest(),
        bytes=len(END),
        samples=0,
        extensions=[],
        keys=[],
        sizes=[],
        software=like.software,
        provenance=like.provenance,
    )
    return {shard: there.get(shard) or replace(none, shard=shard) for shard in shards}


def _copy(tar: Path, to: Path, record: Record) -> None:
    if tar.exists():
        copy_shard(tar, to)
    else:
        write_atomic(to, END)
        record.write(record_path(to))


def _options(folder: Path, shared: Shared) -> frames.FramesOptions:
    try:
        return frames.FramesOptions(**shared.frames["options"])
    except (TypeError, ValueError, KeyError) as error:
        raise ShardError(f"{folder}/share.json: no options of the frames ({error})") from error


def _planned(folder: Path, shards: Sequence[str]) -> tuple[Plan, int]:
    """Which videos stand in which shard by the recipe, and how many frames it has of them."""
    plan: Plan = [[] for _ in range(max(map(int, shards)) + 1)]
    wanted = 0
    for shard, rows in recipe_tables(folder, shards):
        plan[int(shard)] = sorted(set(rows["video"].to_pylist()))
        wanted += rows.num_rows
    return plan, wanted


def _checked(rows: Rows, compared: Compared) -> Stage:
    """The frames stage for the frames of a recipe, and for no others; each is compared with its fingerprints."""

    def run(items: Items, options: frames.FramesOptions) -> Outcomes:
        for video, sample in items:
            wanted = {row["frame"]: key for key, row in rows.items() if row["video"] == video}
            chosen = replace(options, select={"list": sorted(wanted)}, pairs="none", triplets=False, filters=[])
            outcomes = [_told(outcome, rows, compared) for outcome in frames.STAGE.run(iter([(video, sample)]), chosen)]
            made = {outcome[0] for outcome in outcomes if isinstance(outcome, tuple)}
            yield from (_paired(outcome, rows, made) for outcome in outcomes)

    return replace(frames.STAGE, run=run)


def _told(outcome: Outcome, rows: Rows, compared: Compared) -> Outcome:
    """A frame, or why it is not the recipe's."""
    if not isinstance(outcome, tuple):
        return outcome
    key, sample = outcome
    row, jpg = rows[key], sample["jpg"]
    image = decode("jpg", jpg)
    height, width = image.shape[:2]
    if hashlib.sha256(jpg).hexdigest() == row["jpg_sha256"] or pixels_sha256(image) == row["pixels_sha256"]:
        compared.exact += 1
        return outcome
    if (height, width) != (row["height"], row["width"]):
        compared.differing += 1
        return Failure(key, f"not the recipe's frame: {width}x{height}, and not {row['width']}x{row['height']}")
    if (bits := distance(perceptual_hash(image), row["perceptual"])) > FAR:
        compared.differing += 1
        return Failure(key, f"not the recipe's frame: its perceptual hash differs in {bits} of 64 bits")
    compared.alike += 1
    return outcome


def _paired(outcome: Outcome, rows: Rows, made: set[str]) -> Outcome:
    """A frame with the neighbours that it has in the recipe, where they are here, too."""
    if not isinstance(outcome, tuple):
        return outcome
    key, sample = outcome
    near = {name: rows[key][name] for name in ("next", "previous")}
    for name, number in near.items():
        if number is not None and frame_key(rows[key]["video"], number) not in made:
            near[name] = None
    return key, {**sample, "json": {**sample["json"], **near}}


def _join(view: View, dataset: Path, shards: list[str], title: str, videos: Sequence[Video]) -> None:
    for shard in shards:
        inputs = {column: dataset / column / f"{shard}.tar" for column in view.columns}
        build_view(view, inputs, dataset / "shards" / view.name / f"{shard}.tar")
    write_manifest(dataset / "shards" / view.name, shards, title, videos)
