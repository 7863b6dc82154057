"""Names of videos: stable, unique, safe and readable, from the path alone."""

import hashlib
import os
import re

_LONGEST = 64
_HASH = 8  # hex digits


def video_id(relative_path: str, folder: bool = False) -> str:
    """Returns the id of a video, `[A-Za-z0-9_]+`, from its path relative to the source's base.

    `/` becomes `__`, any other unsafe character `_`, and the extension of a file is dropped (a folder has none). Where
    that could make two paths one (a replaced character, a name that holds `__` or starts or ends with `_`, more than
    64 characters), `_` and 8 hex digits of the path's SHA-256 follow; a long name keeps its end, which tells most.
    Two paths share an id only where they differ in nothing but the extension.
    """
    path = relative_path if folder else os.path.splitext(relative_path)[0]
    names = path.split("/")
    safe = [re.sub(r"[^A-Za-z0-9_]", "_", name) for name in names]
    readable = "__".join(safe)
    faithful = safe == names and not any("__" in n or n.startswith("_") or n.endswith("_") or not n for n in names)
    if faithful and len(readable) <= _LONGEST:
        return readable
    digest = hashlib.sha256(path.encode("utf-8")).hexdigest()[:_HASH]
    return f"{readable[-(_LONGEST - _HASH - 1) :]}_{digest}"
