"""Files and folders by pattern: fast, sorted, with the name each takes within its source."""

import codecs
import errno
import fnmatch
import os
import re
import stat
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from common_fate.datasets.catalog import Video
from common_fate.errors import UserError, check_machine
from pipeline.sources.ids import video_id
from pipeline.sources.reading import IMAGE_EXTENSIONS, is_image, name_unread
from pipeline.sources.source import State

Paths = str | list[str]


@dataclass(frozen=True)
class Found:
    """A file or folder: its path, the part of it that names the video, its size on disk."""

    path: str
    relative: str
    bytes: int


def check_paths(path: Paths) -> None:
    """Raises `ValueError` unless `path` is a pattern or a list of them."""
    paths = [path] if isinstance(path, str) else path
    if not isinstance(paths, list) or not paths or not all(isinstance(p, str) and p for p in paths):
        raise ValueError(f"path must be a path, a glob such as '/data/vids/*.mp4', or a list of them, not {path!r}")


def expanded(path: str) -> str:
    """Expands `~`, `$NAME` and `${NAME}` in a path as the shell does; a name that is not set stays."""
    return os.path.expanduser(os.path.expandvars(path))


def text_of(data: bytes) -> str:
    """Decodes the text of a list: UTF-8, or UTF-16 with its mark. Raises ValueError where it is neither."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            text = data.decode(encoding)
            break
    else:
        text = data.decode("utf-8", "surrogateescape")  # names that are not UTF-8 are told one by one
    if "\0" in text:
        raise ValueError("it has NUL characters, and lists one name a line: save it as UTF-8 text")
    return text


def find(path: Paths, where: str, folders: bool = False) -> list[Found]:
    """Lists every file (or folder), each once, that a pattern, a list of patterns or a list in a `.txt` file names.

    The base of a pattern is the folder before its first wildcard. Lines of a `.txt` file are paths relative to that
    file, without wildcards; empty lines and those that start with `#` do not count. What is written as a whole path is
    named by its own name, and by as many of the folders above it as tell it from the others: where it lies on this
    machine is no part of what it is.

    Raises:
        UserError: an entry matches nothing, a folder cannot be read, or a name is not UTF-8.
    """
    found: dict[str, Found] = {}
    whole: dict[str, None] = {}
    for entry in [path] if isinstance(path, str) else path:
        place = f"{where}.path {entry!r}"
        pattern = expanded(entry)
        try:
            matches = list(_entries(pattern, place, folders))
        except OSError as error:
            raise UserError(f"{place}: cannot read {error.filename!r}: {error.strerror}") from error
        except ValueError as error:
            raise UserError(f"{place}: {error}") from error
        if not matches:
            hint = f" (it is a folder; write '{pattern.rstrip('/')}/*')" if os.path.isdir(pattern) else ""
            raise UserError(f"{place} matches no {'folder' if folders else 'file'}{hint}")
        for match in matches:
            if not _is_utf8(match.path):
                raise UserError(f"{place}: the name of {match.path!r} is not UTF-8; rename it")
            at = os.path.abspath(match.path)
            if at not in found:
                found[at] = match
                if os.path.isabs(match.relative):
                    whole[at] = None
    taken = {_stem(one.relative, folders) for at, one in found.items() if at not in whole}
    for at, name in _told_apart(list(whole), taken, folders).items():
        found[at] = replace(found[at], relative=name)
    return list(found.values())


def _stem(name: str, folders: bool) -> str:
    return name if folders else os.path.splitext(name)[0]


def _told_apart(paths: Sequence[str], taken: Collection[str], folders: bool) -> dict[str, str]:
    """The end of each whole path that no other shares, but for its extension, and that is not taken."""
    parts = {path: path.strip("/").split("/") for path in paths}
    names = {path: parts[path][-1] for path in paths}
    for depth in range(2, max(map(len, parts.values()), default=0) + 1):
        counts = Counter(_stem(name, folders) for name in names.values())
        shared = [at for at, name in names.items() if counts[_stem(name, folders)] > 1 or _stem(name, folders) in taken]
        if not shared:
            break
        names |= {at: "/".join(parts[at][-depth:]) for at in shared}
    return names


def as_videos(found: Sequence[Found], kind: str, license: str | None, where: str, folders: bool = False) -> list[Video]:
    """Returns the videos of what was found, sorted by id.

    Raises:
        UserError: two have the same id.
    """
    videos: dict[str, Video] = {}
    for one in found:
        name = video_id(one.relative, folders)
        if name in videos:
            raise UserError(
                f"{where}.path: {videos[name].uri!r} and {one.path!r} would both be called {name!r}; rename one, or "
                "write one pattern whose first wildcard comes before they part"
            )
        videos[name] = Video(name, kind, one.path, license, one.bytes)
    return [videos[name] for name in sorted(videos)]


def images_by_stem(folder: Path, where: str) -> dict[str, Path]:
    """Lists the images of a folder by their names without extension, in order; hidden ones are none of them.

    Those of formats that are not read are named in the log.

    Raises:
        UserError: there is no such folder, it has no image, or two whose names differ in the extension alone.
    """
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        said = "there is no such folder" if error.errno in (errno.ENOENT, errno.ENOTDIR) else error.strerror
        raise UserError(f"{where}: {said}") from error
    if strange := [name for name in names if not _is_utf8(name)]:
        raise UserError(f"{where}: the name of {strange[0]!r} is not UTF-8; rename it")
    name_unread(names, where)
    images: dict[str, Path] = {}
    for name in filter(is_image, names):
        stem = os.path.splitext(name)[0]
        if stem in images:
            raise UserError(
                f"{where}: {images[stem].name!r} and {name!r} differ in no more than the extension: rename one"
            )
        images[stem] = folder / name
    if not images:
        raise UserError(f"{where}: has no image that ends in {', '.join(IMAGE_EXTENSIONS)}")
    return images


def file_state(path: str) -> State:
    """Returns a file's size and time stamp; of one that is gone, as the listing has it, none."""
    try:
        status = os.stat(path)
    except OSError as error:
        check_machine(error, path)
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _entries(pattern: str, place: str, folders: bool) -> Iterator[Found]:
    literal = _literal(pattern, os.path.abspath(pattern), folders)
    if literal is None:
        yield from _glob(pattern, folders)
    elif pattern.endswith(".txt") and not folders:
        with open(pattern, "rb") as file:
            listed = [line.strip() for line in re.split("\r\n|\r|\n", text_of(file.read()))]
        for line in listed:
            if line and not line.startswith("#"):
                one = _literal(os.path.join(os.path.dirname(pattern), expanded(line)), expanded(line), folders)
                if one is None:
                    raise UserError(f"{place}: {line!r} is no file")
                yield one
    else:
        yield literal


def _literal(path: str, written: str, folders: bool) -> Found | None:
    """What lies at a path; `relative` is the path as written, whole where it leads from or out of the list's folder."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISDIR(status.st_mode) != folders:
        return None
    relative = os.path.normpath(written)
    return Found(path, os.path.abspath(path) if relative.startswith(("/", "../")) else relative, status.st_size)


def _glob(pattern: str, folders: bool) -> Iterator[Found]:
    """As the shell's: hidden names only where the pattern says so; `**` is any number of folders."""
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    wild = next((i for i, part in enumerate(parts) if re.search(r"[*?[]", part)), None)
    if wild is None:
        return
    base = os.path.join("/" if pattern.startswith("/") else "", *parts[:wild])
    if base and not os.path.isdir(base):
        return
    seen = set()
    for found in _walk(base, "", parts[wild:], folders, ()):
        if found.relative not in seen:  # `a/**/**/b` reaches a file by several ways
            seen.add(found.relative)
            yield found


def _walk(
    folder: str, relative: str, parts: list[str], folders: bool, above: tuple[tuple[int, int], ...]
) -> Iterator[Found]:
    part, rest = parts[0], parts[1:]
    if part == "**":
        if rest:
            yield from _walk(folder, relative, rest, folders, above)
        status = os.stat(folder or ".")
        above = (*above, (status.st_dev, status.st_ino))
    matches = re.compile(fnmatch.translate("*" if part == "**" else part)).match
    hidden = part.startswith(".")
    with os.scandir(folder or ".") as entries:
        listed = [entry for entry in entries if matches(entry.name) and (hidden or not entry.name.startswith("."))]
    for entry in listed:
        path, name = os.path.join(folder, entry.name), os.path.join(relative, entry.name)
        is_folder = entry.is_dir()
        if part == "**":
            if is_folder and not _is_above(entry, above):
                yield from _walk(path, name, parts, folders, above)
            if not rest and is_folder == folders:
                yield Found(path, name, _size(entry))
        elif rest:
            if is_folder:
                yield from _walk(path, name, rest, folders, ())
        elif is_folder == folders:
            yield Found(path, name, _size(entry))


def _is_above(entry: os.DirEntry[str], above: tuple[tuple[int, int], ...]) -> bool:
    """Whether a link leads back to a folder that we are in, which would have no end."""
    if not entry.is_symlink():
        return False
    status = entry.stat()
    return (status.st_dev, status.st_ino) in above


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:  # a link to nothing: listed, and a failure row when it is opened
        return 0


def _is_utf8(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
