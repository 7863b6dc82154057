"""Keys: `{video}-{frame:06d}` names a sample in every column; the failure of a whole video has the video's id alone."""

import re
from collections.abc import Iterable

from common_fate.shards.limits import quoted

MAX_FRAME = 10**12 - 1
VIDEO = re.compile(r"[A-Za-z0-9_]{1,80}")
KEY = re.compile(rf"{VIDEO.pattern}(-[0-9]{{6,12}})?")


def frame_key(video: str, frame: int) -> str:
    """Returns the key of a frame in every column."""
    return f"{video}-{frame:06d}"


def video_of(key: str) -> str:
    """Returns the id of the video that a key is of."""
    return key.partition("-")[0]


def frame_of(key: str) -> int | None:
    """Returns the number of the frame that a key is of, or the first one of a run; None of a whole video."""
    _, dash, frame = key.partition("-")
    return int(frame.partition("..")[0]) if dash else None


def check_keys(keys: Iterable[str]) -> None:
    """Raises ValueError where a key is not a video's id, with a frame's number or without."""
    for key in keys:
        if not KEY.fullmatch(key):
            raise ValueError(f"{quoted(key)} is no key of a sample, which is VIDEO-FRAME, of letters, digits and _")
