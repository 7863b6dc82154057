"""The receiver's own copies of somebody else's videos, found by the ids that our sources would give them."""

import glob
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from common_fate.datasets.catalog import RENDERED, Video
from common_fate.errors import UserError
from pipeline.sources import SOURCES
from pipeline.sources.ids import video_id
from pipeline.sources.listing import Found, find
from pipeline.sources.reading import MAX_PIXELS

WHERE = "--videos"
_FOLDERS = ("frames", "davis", "sintel", "vip", "mpii")  # kinds whose videos are folders of frames


def own_copies(wanted: Iterable[Video], videos: str | None) -> list[Video]:
    """Returns each wanted video as it is on this machine.

    One that is not there becomes a video of kind `adopted`, which cannot be read.

    Rendered ones are rendered again. Of any other, an id says the end of the path it had: `birds__tern` is
    `.../birds/tern.mp4`, wherever that lies here.

    Args:
        wanted: rows of the sender's catalog.
        videos: a folder, or a glob of files (of folders, where a video is a folder of frames).

    Raises:
        UserError: `videos` is needed and not given, it matches nothing, or two files could be the same video.
    """
    wanted = list(wanted)
    rendered = {video.video for video in wanted if video.kind in RENDERED and _reasonable(video)}
    elsewhere = {video.video: video for video in wanted if video.kind not in RENDERED}
    found: dict[str, str] = {}
    if elsewhere and videos is None:
        raise UserError(
            f"the frames are not in there, only their recipe: say where your copies of its {len(elsewhere)} videos "
            f"are with {WHERE} 'VIDEOS/*.mp4'"
        )
    folders = any(_as_files(video) == "frames" for video in elsewhere.values())
    for one in _listed(videos, folders) if videos and elsewhere else []:
        for name in ids(one.path, folders):
            if name in elsewhere and found.setdefault(name, one.path) != one.path:
                raise UserError(f"{WHERE}: {found[name]!r} and {one.path!r} could both be {name}: name one of them")
    return [video if video.video in rendered else _here(video, found.get(video.video)) for video in wanted]


def _reasonable(video: Video) -> bool:
    """Whether a scene from elsewhere can be rendered in the memory that there is: a world always, within its bounds."""
    if video.kind == "world":
        return True
    sizes = {
        name: int(number) for name, number in re.findall(r"(height|width|objects)=([0-9]{1,9})(?![0-9])", video.uri)
    }
    return (
        sizes.get("height", MAX_PIXELS) * sizes.get("width", MAX_PIXELS) <= MAX_PIXELS
        and sizes.get("objects", 0) <= 999
    )


def _listed(videos: str, folders: bool) -> list[Found]:
    is_folder = os.path.isdir(videos)
    inside = "**" if folders else "**/*"
    found = find(f"{glob.escape(videos.rstrip('/'))}/{inside}" if is_folder else videos, WHERE, folders)
    return [one for one in found if not one.path.endswith(".txt")]  # which to a source is a list of paths


def ids(path: str, folder: bool) -> Iterator[str]:
    """Yields the ids that a file may have, by how much of its path was under the first wildcard."""
    names = os.path.normpath(path).lstrip("/").split("/")
    for start in range(len(names)):
        yield video_id("/".join(names[start:]), folder)


def _as_files(video: Video) -> str:
    """The kind of source that reads a copy as it lies here: what was fetched from afar elsewhere is a file."""
    if video.kind in _FOLDERS:
        return "frames"
    return "images" if video.kind in SOURCES and SOURCES[video.kind].single else "videos"


def _here(video: Video, path: str | None) -> Video:
    if path is None:
        return replace(video, kind="adopted", uri="", bytes=None)
    source = SOURCES[_as_files(video)]
    (found,) = source.videos(source.options(path=path), WHERE)
    return replace(found, video=video.video, license=video.license)
