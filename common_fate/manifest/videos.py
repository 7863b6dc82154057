"""Licence and attribution of a view's videos: `videos.parquet`, and what the cards say of it."""

import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from common_fate.datasets.catalog import Video
from common_fate.errors import ShardError
from common_fate.foreign.files import parse_json
from common_fate.foreign.parquet import read_parquet
from common_fate.shards.keys import VIDEO
from common_fate.shards.limits import MAX_ROWS, quoted
from common_fate.tables import markdown_table

VIDEOS = "videos.parquet"
UNSTATED = "not stated"

_MOST_SHOWN = 50
_FACTS = ("attribution", "title", "page")
_SCHEMA = pa.schema([(name, pa.string()) for name in ("video", "license", *_FACTS, "about")])
_NAMING = re.compile(r"CC[ -]BY\b|https?://creativecommons\.org/licenses/by\b", re.IGNORECASE)


def videos_file(videos: Sequence[Video]) -> bytes:
    """Returns the bytes of videos.parquet, one row a video: its licence, who is to be credited, and all that is known
    of it.

    Columns: `video`, `license`, `attribution`, `title`, `page`, `about` (a JSON object). What is not known is null.
    """
    buffer = io.BytesIO()
    pq.write_table(videos_table(videos), buffer, compression="zstd")
    return buffer.getvalue()


def videos_table(videos: Sequence[Video]) -> pa.Table:
    """Returns the rows of videos.parquet; see `videos_file`."""
    facts = [_known(video) for video in videos]
    columns = {
        "video": [video.video for video in videos],
        "license": [video.license for video in videos],
        **{name: [known.get(name) for known in facts] for name in _FACTS},
        "about": [video.about for video in videos],
    }
    return pa.table(columns, schema=_SCHEMA)


def read_videos(folder: Path) -> pa.Table:
    """Reads a view's videos. Raises `ShardError` where the table is missing, none, or has an id twice or none."""
    path = folder / VIDEOS
    try:
        table = read_parquet(path, dict(zip(_SCHEMA.names, _SCHEMA.types, strict=True)), MAX_ROWS)
    except (OSError, ValueError) as error:
        raise ShardError(f"{path}: not a manifest: {error}") from error
    is_id = pc.fill_null(pc.match_substring_regex(table["video"], f"^(?:{VIDEO.pattern})$"), False)
    if not pc.all(is_id, min_count=0).as_py():
        odd = table["video"].filter(pc.invert(is_id))[0].as_py()
        raise ShardError(f"{path}: not a manifest: {quoted(odd)} is no id of a video")
    if len(pc.unique(table["video"])) < table.num_rows:
        raise ShardError(f"{path}: not a manifest: a video stands twice")
    return table


def licence_table(videos: Sequence[Video]) -> str:
    """Counts licences by source, in Markdown: how many videos, and of how many somebody is to be credited."""
    counts = Counter((video.kind, video.license or UNSTATED) for video in videos)
    credited = Counter((video.kind, video.license or UNSTATED) for video in videos if _to_be_credited(video))
    shown = sorted(counts.most_common(_MOST_SHOWN))
    rows = [[*which, count, credited[which]] for which, count in shown]
    if others := counts.keys() - dict(shown).keys():
        rows.append(
            ["", f"{len(others)} others", *(sum(many[which] for which in others) for many in (counts, credited))]
        )
    return markdown_table(["source", "licence", "videos", "to be credited"], rows)


def _to_be_credited(video: Video) -> bool:
    return bool(_NAMING.match(video.license or "") or _known(video).get("attribution"))


def _known(video: Video) -> Mapping[str, Any]:
    """The facts of `about` that have columns of their own; it may be from elsewhere, and be anything."""
    try:
        about = parse_json((video.about or "{}").encode())
    except ValueError:
        return {}
    return {name: about[name] for name in _FACTS if isinstance(about.get(name), str)} if isinstance(about, dict) else {}
