"""Whether what a view says of its videos agrees: videos.parquet, the licences of samples.parquet, and the catalog."""

from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from common_fate.datasets.catalog import Video, read_catalog, read_plan
from common_fate.datasets.parts import PLAN
from common_fate.datasets.verify.problems import Problem, Problems, fault_of, how_to_replace, how_to_replace_both
from common_fate.errors import ShardError, UserError
from common_fate.manifest.samples import LICENSE, SAMPLES
from common_fate.manifest.videos import read_videos, videos_table
from common_fate.shards.limits import quoted


def videos_problems(path: Path, samples: pa.Table | None, catalog: Path | None) -> Problems:
    """Yields what is wrong with a videos.parquet.

    Args:
        samples: the rows of samples.parquet beside it, where they could be read.
        catalog: a catalog.parquet that it was made from.
    """
    try:
        videos = read_videos(path.parent)
    except ShardError as error:
        yield Problem(path, fault_of(error, path), how_to_replace(path))
        return
    told = [
        Video(row["video"], "", "", license=row["license"], about=row["about"])
        for row in videos.select(["video", "license", "about"]).to_pylist()
    ]
    if not videos.equals(videos_table(told)):
        yield Problem(path, "says of a video what is not in its `about`", how_to_replace(path))
    if samples is not None and (fault := _disagreement(samples, videos)):
        yield Problem(path, fault, how_to_replace_both(path, SAMPLES))
    if catalog is not None:
        yield from _catalog(path, told, catalog)


def _disagreement(samples: pa.Table, videos: pa.Table) -> str:
    """The first sample whose video is not there, or has another licence."""
    rows = pc.index_in(samples["video"], videos["video"].combine_chunks())
    if rows.null_count:
        lacking = samples["video"].filter(pc.is_null(rows))[0].as_py()
        return f"lacks {quoted(lacking)}, of which {SAMPLES} has a sample"
    if LICENSE not in samples.column_names:
        return ""
    found, said = samples[LICENSE], videos["license"].take(rows)
    differ = pc.fill_null(pc.not_equal(found, said), pc.xor(pc.is_null(found), pc.is_null(said)))
    if pc.any(differ, min_count=0).as_py():
        return f"has another licence of {samples['video'].filter(differ)[0].as_py()} than {SAMPLES}"
    return ""


def _catalog(path: Path, told: list[Video], catalog: Path) -> Problems:
    """Whether a catalog is of the same videos, and says the same of them. One of a dataset may have others besides."""
    plan = catalog.with_name(PLAN)
    try:
        planned = list(chain.from_iterable(read_plan(plan))) if plan.exists() else None
        known = {video.video: (video.license, video.about) for video in read_catalog(catalog, planned)}
    except UserError as error:
        if not plan.exists():  # else the dataset says so, of which this is a part
            yield Problem(catalog, fault_of(error, catalog), how_to_replace(catalog))
        return
    here = {video.video: (video.license, video.about) for video in told}
    if odd := sorted(name for name in known.keys() | here.keys() if known.get(name) != here.get(name)):
        yield Problem(path, f"says other than {catalog.name} of {odd[0]}", how_to_replace_both(path, SAMPLES))
