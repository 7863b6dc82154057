"""A power cut at any moment of a command: every state that the disk may be in afterwards.

What POSIX promises, and no file system's kindness: the bytes of a file are there once the file was synced, and a name
that was given, moved or removed is so once its folder was synced. Until then each such change has reached the disk or
not, in whatever order they were made; of bytes that were written and not synced, all have, or half of them, or their
room alone (zeros), or nothing.
"""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

Names = dict[tuple[int, str], int]
"""What each name in each folder leads to: files and folders by number."""
Tree = dict[str, bytes | None]
"""What there is, by path; a folder is None."""

MOST_LOOSE = 4
"""Changes of names that are on their way to the disk at once, of which every choice is looked at."""
STEPS = ("fsync", "replace", "rename", "unlink", "rmdir", "mkdir")
ROOT = 0


@dataclass
class Disk:
    """What is known to be on the disk, and what is on its way: `states` are those that a power cut may leave.

    Args:
        folder: what is looked at; as it stands at first, it is on the disk.
    """

    folder: Path
    states: list[Tree] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers: dict[int, int] = {}  # of each inode that is there
        self._count = itertools.count(ROOT + 1)
        self._sound: dict[int, bytes] = {}
        self._contents: dict[int, bytes | None] = {}
        self._loose: list[Names] = []
        self._cut: Any = None
        self._seen: set[tuple[tuple[str, bytes | None], ...]] = set()
        self._now = self._look()
        self._durable = dict(self._now)
        self._sound = {number: data for number, data in self._contents.items() if data is not None}

    def cut(self) -> None:
        """Adds the states that a power cut at this moment may leave."""
        self._notice()
        loose = self._loose
        unsound = {n: data for n, data in self._contents.items() if data is not None and self._sound.get(n) != data}
        if (moment := (str(loose), unsound)) == self._cut:
            return
        self._cut = moment
        if len(loose) > MOST_LOOSE:
            few = [0, 1, len(loose) - 2, len(loose) - 1]
            choices = [[], loose, *([*loose[:at], *loose[at + 1 :]] for at in few), *([loose[at]] for at in few)]
        else:
            choices = [list(some) for size in range(len(loose) + 1) for some in itertools.combinations(loose, size)]
        for choice in choices:
            names = dict(self._durable)
            for change in choice:
                names |= change
            for damage in (_nothing, _half, _zeros, _all):
                tree = self._tree(ROOT, "", names, damage)
                if (key := tuple(sorted(tree.items()))) not in self._seen:
                    self._seen.add(key)
                    self.states.append(tree)

    def synced(self, inode: int) -> None:
        """A file or a folder was synced."""
        self._notice()
        number = self._numbers.get(inode)
        if number is None:
            return
        if (data := self._contents.get(number)) is not None:
            self._sound[number] = data
            return
        kept = []
        for change in self._loose:
            mine = {place: number_of for place, number_of in change.items() if place[0] == number}
            if not mine:
                kept.append(change)
                continue
            self._durable |= change  # a move between two folders is one change
        self._loose = kept

    def changed(self, before: Names) -> None:
        """One call changed names: they reach the disk together."""
        self._now, after = self._look(), before
        change = _differences(after, self._now)
        if change:
            self._loose.append(change)

    def notice(self) -> Names:
        """What there is now; files that were opened since the last call are changes of their own."""
        self._notice()
        return self._now

    def _notice(self) -> None:
        before, self._now = self._now, self._look()
        for place, number in _differences(before, self._now).items():
            self._loose.append({place: number})

    def _look(self) -> Names:
        names: Names = {}
        contents: dict[int, bytes | None] = {}
        inodes: dict[int, int] = {self.folder.stat().st_ino: ROOT}

        def walk(folder: Path, number: int) -> None:
            contents[number] = None
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    inode = entry.inode()
                    known = self._numbers.get(inode)
                    inodes[inode] = next(self._count) if known is None else known
                    names[number, entry.name] = inodes[inode]
                    path = Path(entry.path)
                    if entry.is_dir(follow_symlinks=False):
                        walk(path, inodes[inode])
                    else:
                        contents[inodes[inode]] = path.read_bytes()

        walk(self.folder, ROOT)
        self._numbers = inodes
        self._contents |= contents
        return names

    def _tree(self, folder: int, path: str, names: Names, damage: Callable[[bytes, bytes], bytes]) -> Tree:
        tree: Tree = {}
        for (parent, name), number in names.items():
            if parent != folder or number < 0:
                continue
            data = self._contents[number]
            tree[path + name] = data
            if data is None:
                tree |= self._tree(number, f"{path}{name}/", names, damage)
            elif (sound := self._sound.get(number, b"")) != data:
                tree[path + name] = damage(sound, data)
        return tree


def _differences(before: Names, after: Names) -> Names:
    """The names that lead elsewhere now; -1 where to nothing."""
    gone = dict.fromkeys(before.keys() - after.keys(), -1)
    return gone | {place: number for place, number in after.items() if before.get(place) != number}


def _nothing(sound: bytes, data: bytes) -> bytes:
    return sound


def _all(sound: bytes, data: bytes) -> bytes:
    return data


def _half(sound: bytes, data: bytes) -> bytes:
    return data[: (len(sound) + len(data)) // 2]


def _zeros(sound: bytes, data: bytes) -> bytes:
    return sound[: len(data)] + bytes(len(data) - len(sound))


@contextmanager
def watched(disk: Disk) -> Iterator[None]:
    """A power cut may come before and after every call that syncs, moves, makes or removes something."""

    def watching(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def run(*arguments: Any, **options: Any) -> Any:
            before = disk.notice()
            disk.cut()
            result = real(*arguments, **options)
            if name == "fsync":
                disk.synced(os.fstat(arguments[0]).st_ino)
            else:
                disk.changed(before)
            disk.cut()
            return result

        return run

    with mock.patch.multiple(os, **{name: watching(name) for name in STEPS}):
        yield
    disk.cut()


def lay(tree: Tree, folder: Path) -> None:
    """Writes a state to an empty folder."""
    for path, data in sorted(tree.items()):
        if data is None:
            (folder / path).mkdir(parents=True)
        else:
            (folder / path).write_bytes(data)
