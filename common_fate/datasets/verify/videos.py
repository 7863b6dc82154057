"""Whether what a view says of its videos agrees: videos.parquet, the licences of samples.parquet, and the catalog."""

from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from common_fate.datasets.catalog import Video, read_plan, read_told
from common_fate.datasets.parts import PLAN
from common_fate.datasets.verify.problems import Problem, Problems, fault_of, how_to_replace, how_to_replace_both
from common_fate.errors import ShardError, UserError
from common_fate.manifest.samples import LICENSE, SAMPLES
from common_fate.manifest.videos import read_videos, videos_table
from common_fate.shards.limits import quoted

_TOLD = ("video", "license", "about")
_PART = 2**14  # rows


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
    if not all(map(_follows, videos.to_batches(_PART))):
        yield Problem(path, "says of a video what is not in its `about`", how_to_replace(path))
    if samples is not None and (fault := _disagreement(samples, videos)):
        yield Problem(path, fault, how_to_replace_both(path, SAMPLES))
    if catalog is not None:
        yield from _catalog(path, videos, catalog)


def _follows(rows: pa.RecordBatch) -> bool:
    """Whether attribution, title and page are those that `about` has."""
    told = zip(*(rows[name].to_pylist() for name in _TOLD), strict=True)
    videos = [Video(video, "", "", license=licence, about=about) for video, licence, about in told]
    return bool(pa.Table.from_batches([rows]).equals(videos_table(videos)))


def _disagreement(samples: pa.Table, videos: pa.Table) -> str:
    """The first sample whose video is not there, or has another licence."""
    rows = pc.index_in(samples["video"], videos["video"].combine_chunks())
    if rows.null_count:
        lacking = samples["video"].filter(pc.is_null(rows))[0].as_py()
        return f"lacks {quoted(lacking)}, of which {SAMPLES} has a sample"
    if LICENSE not in samples.column_names:
        return ""
    differ = _differ(samples[LICENSE], videos[LICENSE].take(rows))
    if pc.any(differ, min_count=0).as_py():
        return f"has another licence of {samples['video'].filter(differ)[0].as_py()} than {SAMPLES}"
    return ""


def _differ(one: pa.ChunkedArray, other: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(pc.not_equal(one, other), pc.xor(pc.is_null(one), pc.is_null(other)))


def _catalog(path: Path, videos: pa.Table, catalog: Path) -> Problems:
    """Whether a catalog is of the same videos, and says the same of them. One of a dataset may have others besides."""
    plan = catalog.with_name(PLAN)
    try:
        planned = pa.array(chain.from_iterable(read_plan(plan)), pa.string()) if plan.exists() else None
        odd = _odd_one(videos, catalog, planned)
    except UserError as error:
        if not plan.exists():  # else the dataset says so, of which this is a part
            yield Problem(catalog, fault_of(error, catalog), how_to_replace(catalog))
        return
    if odd is not None:
        yield Problem(path, f"says other than {catalog.name} of {quoted(odd)}", how_to_replace_both(path, SAMPLES))


def _odd_one(videos: pa.Table, catalog: Path, planned: pa.Array | None) -> str | None:
    """The first video of which a catalog says something else, or that one of the two lacks.

    Raises:
        UserError: the catalog is none, or has a video twice.
    """
    ids, seen, odd = videos["video"].combine_chunks(), [], None
    for rows in read_told(catalog):
        seen.append(rows["video"].combine_chunks())
        wanted = rows if planned is None else rows.filter(pc.is_in(rows["video"], planned))
        places = pc.index_in(wanted["video"], ids)
        differ = pc.is_null(places)
        for name in wanted.column_names[1:]:
            differ = pc.or_(differ, _differ(wanted[name], videos[name].take(places)))
        if odd is None and pc.any(differ, min_count=0).as_py():
            odd = str(wanted["video"].filter(differ)[0].as_py())
    named = pa.chunked_array(seen, pa.string())
    if len(pc.unique(named)) < len(named):
        raise UserError(f"{catalog}: not a catalog (a video stands twice)")
    lacking = ids.filter(pc.invert(pc.is_in(ids, named.combine_chunks())))
    return odd if odd is not None or not len(lacking) else lacking[0].as_py()
