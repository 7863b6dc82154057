"""What a dataset's folder says of its downloads: a record a shard, of what came and of what did not.

Whoever checks a dataset needs to know what the frames were made from; the videos themselves are elsewhere.
"""

from pathlib import Path
from typing import Any, NamedTuple

from common_fate.errors import UserError
from common_fate.foreign.files import parse_json, read_file
from common_fate.shards.limits import MAX_RECORD_BYTES
from common_fate.shards.record import is_sha256, text_digest

DOWNLOADED = "videos"
"""The folder of a dataset that has these records. It is no column."""

_MOST_VALUES = 2**22


class Downloaded(NamedTuple):
    """`source` is the digest of the shard's part of the catalog, `digest` that of the record, `videos` its rows."""

    source: str
    digest: str
    videos: dict[str, dict[str, Any]]


def read_downloaded(path: Path) -> Downloaded:
    """Reads the record of a shard's downloads: of each video its `sha256` and `bytes`, or its `failure`.

    Raises:
        UserError: it is missing, cannot be read, or is none.
    """
    try:
        data = read_file(path, MAX_RECORD_BYTES)
        values = parse_json(data, _MOST_VALUES)
        videos = dict(values["videos"])
        for row in videos.values():
            if "failure" not in row and (not is_sha256(row["sha256"]) or type(row["bytes"]) is not int):
                raise ValueError("a video has neither a sha256 and its bytes nor a failure")
        return Downloaded(str(values["source"]), text_digest(data.decode()), videos)
    except FileNotFoundError:
        raise UserError(f"{path}: missing: run `snakemake --cores all {path}` to fetch its videos") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path}: not a record of downloads ({error}): {again(path)}") from error


def again(record: Path) -> str:
    """Returns what to run to have a record made again, and all that follows."""
    return f"run `snakemake --cores all --forcerun {record}`"
