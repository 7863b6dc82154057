"""What is said of views and samples, as JSON: texts are cut where they are long, and never more than texts."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from common_fate.errors import UserError
from common_fate.foreign.parquet import ParquetFile, opened
from common_fate.manifest.videos import VIDEOS
from common_fate.shards.limits import MAX_ROWS
from common_fate.shards.members import described, in_order, member
from trainers.page.datasets.arrays import step_of
from trainers.page.datasets.measures import MEAN, Motions, flow_of, points_of
from trainers.page.datasets.opened import View
from trainers.page.datasets.reading import Reader
from trainers.page.site import Site

MOST_REASONS = 200
MOST_FACTS = 100
LONGEST = 1000
"""Characters of a text."""
SMALL = ("image", "flow", "labels", "mask")
"""What is drawn in the grid."""
_OF_VIDEO = {"license": "licence", "attribution": "attribution", "title": "title", "page": "page", "about": "about"}


def view_facts(view: View, reader: Reader) -> dict[str, Any]:
    """Returns what the page has to know of a view before it shows any sample."""
    counts = Counter(np.array(view.told, object)[view.reason[view.made :]].tolist())
    points = points_of(view)
    return {
        "version": view.version,
        "samples": view.made,
        "videos": len(view.videos),
        "failures": [{"reason": reason, "count": count} for reason, count in counts.most_common(MOST_REASONS)],
        "members": [_member(extension) for extension in in_order(view.extensions)],
        "points": [float(points.min()), float(points.max())] if points is not None and len(points) else None,
        "moves": _moves(view, reader),
    }


def motion_facts(view: View, motions: Motions) -> dict[str, Any]:
    """Returns of how many samples the motion is known, and its range, pixels; begins to measure it."""
    motion = motions.of(view)
    known = motion.speeds[np.isfinite(motion.speeds)]
    ends = [round(float(known.min()), 3), round(float(known.max()), 3)] if known.size else None
    return {"done": motion.done, "of": view.made, "range": ends}


def row_facts(view: View, row: int, speeds: NDArray[np.float32] | None = None) -> dict[str, Any]:
    """Returns what the grid says of a row; with its motion, pixels, where that is asked for by `speeds` and known."""
    found = {"row": row, "key": view.key(row), "video": view.videos[view.video[row]]}
    if row >= view.made:
        stage, reason = view.reasons[view.reason[row]]
        found["failed"] = {"stage": stage[:LONGEST], "reason": (reason or "")[:LONGEST]}
    elif speeds is not None and np.isfinite(speeds[row]):
        found["motion"] = round(float(speeds[row]), 3)
    return found


def sample_facts(site: Site, view: View, row: int, reader: Reader) -> dict[str, Any]:
    """Returns what is said of one sample beside its pictures: its members, its `json`, and its video.

    Errors of parts that are damaged are listed in `errors`: the others are shown all the same.
    """
    errors: list[str] = []

    def tried(function: Any, *args: Any) -> Any:
        try:
            return function(*args)
        except UserError as error:
            errors.append(str(error))
            return None

    extensions = tried(reader.extensions, view, row) or (view.extensions if row < view.made else [])
    about = tried(reader.member, view, row, "json") if "json" in extensions else None
    frame = tried(reader.member, view, row, "jpg") if "jpg" in extensions else None
    return {
        **row_facts(view, row),
        "shard": view.shards[view.shard[row]],
        "members": [_member(extension) for extension in in_order(extensions)],
        "json": {name[:LONGEST]: _text(value) for name, value in list((about or {}).items())[:MOST_FACTS]},
        "landmarks": _names(about or {}),
        "size": None if frame is None else [frame.shape[1], frame.shape[0]],
        "step": 1 if frame is None else step_of(*frame.shape[:2]),
        "about": tried(_of_video, site, view, view.videos[view.video[row]]) or {},
        "errors": errors,
    }


def _member(extension: str) -> dict[str, Any]:
    geometry = member(extension).geometry
    return {"name": extension, "about": described(extension), "geometry": geometry, "small": geometry in SMALL}


def _moves(view: View, reader: Reader) -> bool:
    """Whether a view's samples say how they move; the first one stands for all."""
    if flow_of(view):
        return True
    try:
        return "json" in view.extensions and view.made > 0 and MEAN in reader.member(view, 0, "json")
    except UserError:
        return False


def _names(about: dict[str, Any]) -> list[str]:
    names = about.get("landmarks")
    return [str(name)[:40] for name in names[:1000]] if isinstance(names, list) else []


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"


def _of_video(site: Site, view: View, video: str) -> dict[str, str]:
    """Licence and attribution of a video; manifests of former versions lack them."""
    if not (view.folder / VIDEOS).exists():
        return {}
    path = site.inside(view.folder / VIDEOS)
    try:
        with opened(path) as file:
            columns = {name: pa.string() for name in ("video", *_OF_VIDEO)}
            found = ParquetFile(file, MAX_ROWS).read(columns, among=("video", [video])).to_pylist()
    except (OSError, ValueError) as error:
        raise UserError(f"{path.name}: what is known of the video cannot be read: {error}") from error
    row = found[0] if found else {}
    return {title: _text(row[name]) for name, title in _OF_VIDEO.items() if row.get(name)}
