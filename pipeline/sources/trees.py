"""What benchmarks share: their paths as one tree of files, the lists in it, and their videos as a source."""

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from common_fate.datasets.catalog import Video
from common_fate.errors import UserError
from common_fate.shards.limits import quoted
from pipeline.sources import archived
from pipeline.sources.archived import Place, place_bytes
from pipeline.sources.archives import Root, Tree, has_folder
from pipeline.sources.coco import NO_FACTS, Facts
from pipeline.sources.ids import video_id
from pipeline.sources.listing import Paths, expanded, text_of
from pipeline.sources.reading import is_image
from pipeline.sources.source import Source


@dataclass(frozen=True)
class Clip:
    """A video by its name within the benchmark, which becomes its id."""

    name: str
    place: Place
    facts: Facts = NO_FACTS


def tree_of(path: Paths, where: str, what: str, tops: Sequence[str], marks: Sequence[str]) -> Tree:
    """Returns the files of the paths as one tree.

    Args:
        tops: folders that an archive may have around everything else.
        marks: folders of which each path has one or more.

    Raises:
        UserError: a path has none of them.
    """
    roots: list[Root] = []
    for root in paths_of(path, where):
        inside = next((top for top in tops if any(has_folder(root, f"{top}/{m}".strip("/")) for m in marks)), None)
        if inside is None:
            raise UserError(f"{where}.path: no {' or '.join(marks)} in {root!r}: is this {what} as unpacked?")
        roots.append((root, inside))
    return Tree(tuple(roots))


def paths_of(path: Paths, where: str) -> list[str]:
    """Lists the folders and archives that paths and globs name. Raises UserError where one names none."""
    found = []
    for entry in [path] if isinstance(path, str) else path:
        pattern = expanded(entry)
        matches = [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern))
        if not matches:
            raise UserError(f"{where}.path {entry!r}: there is no such folder or archive")
        found += [os.path.normpath(match) for match in matches]
    return list(dict.fromkeys(found))


def folders_of_frames(tree: Tree, base: str, deep: int) -> Iterator[str]:
    """Yields folders that have images in them, so many levels down at most; not what lies below such a folder."""
    for name in tree.folders(base):
        folder = f"{base}/{name}" if base else name
        if any(map(is_image, tree.files(folder))):
            yield folder
        elif deep > 1:
            yield from folders_of_frames(tree, folder, deep - 1)


def first_words(tree: Tree, name: str, where: str) -> list[str]:
    """Returns the first word of each line of a list. Raises UserError where it cannot be read."""
    try:
        lines = text_of(tree.read(name) or b"").splitlines()
    except ValueError as error:
        raise UserError(f"{where}.path: {name} cannot be read: {error}") from error
    return list(dict.fromkeys(line.split()[0] for line in lines if line.strip()))


def check_there(names: Iterable[str], there: Iterable[str], folder: str, listed: str, where: str) -> None:
    """Raises UserError where a list names what is not in its folder. So no name in a list ever becomes a path."""
    known = set(there)
    missing = [name for name in names if name not in known]
    if missing:
        raise UserError(
            f"{where}: {listed} names {quoted(missing[0])}{f' (and {len(missing) - 1} more)' if missing[1:] else ''}, "
            f"which is not in {folder}: unpack all of it, or name all its archives in path"
        )


def source_of(name: str, options: type[Any], listing: Callable[[Any, str], Iterator[Clip]], **more: Any) -> Source:
    """Makes a source of a function that lists a benchmark's videos; `more` is what else the source knows of them."""

    def videos(options: Any, where: str) -> list[Video]:
        found: dict[str, Video] = {}
        try:
            for clip in listing(options, where):
                video = video_id(clip.name, folder=clip.place.frames.endswith("*"))
                if video in found:
                    raise UserError(f"{where}.path: {clip.name!r} and another would both be called {video}: rename one")
                license, size = clip.facts.license or options.license, place_bytes(clip.place)
                found[video] = Video(video, name, clip.place.uri(), license, size, clip.facts.about)
        except OSError as error:
            raise UserError(f"{where}.path: cannot read {error.filename!r}: {error.strerror}") from error
        if not found:
            raise UserError(f"{where}.path: no frames in {options.path!r}: is this {name} as unpacked?")
        return [found[video] for video in sorted(found)]

    reading: dict[str, Any] = {"numbers": archived.numbers, "read": archived.read, "state": archived.state}
    reading["within"] = archived.within
    return Source(
        **{"name": name, "options": options, "videos": videos, "truth": None, "select": "all", **reading, **more}
    )
