"""What a shared folder is.

`share.json`, written first, says what is shared; `SHA256SUMS`, written last, that all of it is there.
"""

import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

from common_fate.datasets.catalog import RENDERED, Video
from common_fate.errors import ShardError, UserError
from common_fate.foreign.files import parse_json, read_file
from common_fate.manifest.sums import SUMS
from common_fate.manifest.tables import as_json
from common_fate.shards.files import remove, write_atomic
from common_fate.shards.limits import MAX_LISTING_BYTES, PART, quoted
from common_fate.shards.record import Record

SHARE, CATALOG, SHEET = "share.json", "catalog.parquet", "contact_sheet.jpg"
BESIDE = (SHARE, CATALOG, SHEET)
"""What a shared view has beside its manifest; the sheet where there was something to draw."""

FORMAT = 1


@dataclass(frozen=True)
class Shared:
    """What is shared: a view, the frames, or columns without pixels.

    `frames` says how the frames were extracted where they are not there themselves: the stage's `version`, `options`,
    `software` and `provenance`.
    """

    dataset: str
    parts: tuple[str, ...]
    frames: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def title(self) -> str:
        """What to call it."""
        return f"{self.dataset} ({', '.join(self.parts)})"


def read_shared(folder: Path) -> Shared | None:
    """Reads what a folder shares; None where nothing was shared into it.

    Raises:
        ShardError: share.json is damaged, or of a later version.
    """
    path = folder / SHARE
    if not path.exists():
        return None
    try:
        values = parse_json(read_file(path, MAX_LISTING_BYTES))
        shared = Shared(values["dataset"], tuple(values["parts"]), values["frames"], values["format"])
        if not all(isinstance(text, str) for text in (shared.dataset, *shared.parts)):
            raise TypeError("dataset and parts must be text")
        if not isinstance(shared.frames, dict):
            raise TypeError("frames must be an object")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ShardError(f"{path}: damaged ({error})") from error
    if odd := [part for part in shared.parts if not PART.fullmatch(part)]:
        raise ShardError(f"{path}: names {quoted(odd[0])}, which is no view's or column's name")
    if shared.format != FORMAT:
        raise ShardError(f"{path}: of format {shared.format}, and this version reads {FORMAT}: update Common Fate")
    return shared


def begin(to: Path, shared: Shared) -> None:
    """Makes sure that the folder is new, empty, or an earlier share of the same, and no longer counts as whole.

    Raises:
        UserError: it holds something else.
    """
    new = "name a new or empty folder with --to"
    if any((parent / "plan.json").exists() for parent in to.resolve().parents):
        raise UserError(f"{to}: lies in a dataset's own folder: {new} elsewhere")
    if to.exists() and not to.is_dir():
        raise UserError(f"{to}: is a file: {new}")
    there = sorted(path.name for path in to.iterdir() if path.suffix != ".tmp") if to.exists() else []
    earlier = read_shared(to) if SHARE in there else None
    if earlier and (earlier.dataset, earlier.parts) != (shared.dataset, shared.parts):
        raise UserError(f"{to}: holds {earlier.title} already: {new}")
    if there and not earlier:
        raise UserError(f"{to}: holds something else ({there[0]}): {new}")
    if (to / SUMS).exists():
        remove(to / SUMS)
    write_atomic(to / SHARE, as_json(asdict(shared)))


# What must not travel: where things lie on this machine.

_ADDRESS = re.compile(r'(\{"address": ")?(https?|s3)://')
_PATH = re.compile(r"(?<![\w/.:~])~?/(?:[^\s/'\"]+/)+([^\s/'\",;:)]*)")


def portable_record(record: Record) -> Record:
    """Returns a record whose options, provenance and failures name no place on this machine, but files alone."""
    failures = [row | {"reason": _PATH.sub(r"\1", row["reason"])} for row in record.failures]
    return replace(record, options=bare(record.options), provenance=bare(record.provenance), failures=failures)


def bare(value: Any) -> Any:
    """Returns values of JSON with the name alone of every absolute path."""
    if isinstance(value, str):
        return PurePath(value).name if value.startswith(("/", "~")) else value
    if isinstance(value, dict):
        return {name: bare(one) for name, one in value.items()}
    return [bare(one) for one in value] if isinstance(value, list) else value


def portable_video(video: Video) -> Video:
    """Returns a row of the catalog without its place, and how it was listed before: what is rendered, and what an
    address leads to, can be had anywhere.
    """
    anywhere = video.kind in RENDERED or _ADDRESS.match(video.uri)
    video = replace(video, modified=None, listed=None)
    return video if anywhere else replace(video, uri="", bytes=None)
