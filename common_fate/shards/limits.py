"""What shards and manifests may be at most, and what their names look like.

They come from anywhere: a reader keeps to these before it takes memory for anything and before it believes a name.
docs/data_format.md says what each of them is for.
"""

import re

MAX_PIXELS = 2**26
MAX_SCANS = 100
"""Of a JPEG: each passes over the whole picture, and takes some bytes only."""

MAX_MEMBER_BYTES = {  # by kind; a picture's or a field's bytes where nothing of it could be compressed
    "jpg": 2**27,
    "png": 2 * MAX_PIXELS + 2**20,
    "npy": 2**27,
    "json": 2**20,
    "b2": 4 * MAX_PIXELS + 2**10,
}
MAX_SAMPLE_BYTES = 2**29
MAX_EXTENSIONS = 64
MAX_SAMPLES = 2**17  # a shard
MAX_MEMBERS = 7 * MAX_SAMPLES
MAX_RECORD_BYTES = 2**26
MAX_TEXT = 2**14  # of a failure's reason, or the name of a measure

MAX_JSON_VALUES = 2**16  # of a member; a record's follow from its samples
MAX_JSON_DEPTH = 32

MAX_SHARDS = 2**20  # a view
MAX_ROWS = 2**28  # of samples.parquet
MAX_TABLE_BYTES = 2**28  # of shards.parquet
MAX_LISTING_BYTES = 2**28  # of _info.json, sizes.json, SHA256SUMS, croissant.json
MAX_PLAN_BYTES = 2**29

SHARD = re.compile(r"[0-9]{6,12}")
PART = re.compile(r"[a-z][a-z0-9_]{0,39}")  # a column or a view: the name of a folder
EXTENSION = re.compile(rf"([a-z][a-z0-9_]{{0,30}}\.){{0,3}}({'|'.join(MAX_MEMBER_BYTES)})")


def quoted(value: object) -> str:
    """A foreign value in a message: as a literal, and cut where it is long."""
    text = repr(value[:200] if isinstance(value, str) else value)
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"


def check_extension(extension: str) -> str:
    """The kind of a member. Raises ValueError where the extension is not of the kinds that a shard holds."""
    if not EXTENSION.fullmatch(extension):
        raise ValueError(f"a member {quoted(extension)} has no place in a shard (only {', '.join(MAX_MEMBER_BYTES)})")
    return extension.rpartition(".")[2]


def check_size(extension: str, size: int) -> None:
    """Raises ValueError where a member is larger than any of its kind has reason to be."""
    kind = check_extension(extension)
    if size > MAX_MEMBER_BYTES[kind]:
        raise ValueError(f"a member {extension} of {size} bytes; at most {MAX_MEMBER_BYTES[kind]}")
