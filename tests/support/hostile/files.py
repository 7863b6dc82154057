"""Files of a view that are none, and lists that name others."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def hostile_files(outside: Path) -> dict[str, tuple[Callable[[Path], object], str, str]]:
    """Changes of a good view's folder; which file the refusal names, and what it says."""

    def instead(name: str, put: Callable[[Path], object]) -> Callable[[Path], object]:
        def change(folder: Path) -> None:
            (folder / name).unlink()
            put(folder / name)

        return change

    def link(name: str, to: str) -> Callable[[Path], object]:
        return instead(name, lambda path: path.symlink_to(to))

    def pipe(name: str) -> Callable[[Path], object]:
        return instead(name, os.mkfifo)

    def huge(name: str) -> Callable[[Path], object]:
        return lambda folder: os.truncate(folder / name, 2**28 + 1)

    def text(name: str, data: bytes) -> Callable[[Path], object]:
        return lambda folder: (folder / name).write_bytes(data)

    def described(**facts: Any) -> Callable[[Path], object]:
        return text("croissant.json", json.dumps({"distribution": [facts]}).encode())

    tar, record, samples, shards = "000000.tar", "000000.json", "samples.parquet", "shards.parquet"
    info, sizes, sums, croissant = "_info.json", "sizes.json", "SHA256SUMS", "croissant.json"
    outside.write_bytes(b"secret" * 1000)
    return {
        "tar that is a pipe": (pipe(tar), tar, "pipe"),
        "tar that is an endless device": (link(tar, "/dev/zero"), tar, "device"),
        "tar that is a folder": (instead(tar, Path.mkdir), tar, "folder"),
        "tar that is a link to another file": (link(tar, str(outside)), tar, "cut off or replaced"),
        "tar that is a link to itself": (link(tar, tar), tar, "missing"),
        "record that is a pipe": (pipe(record), record, "not a regular file"),
        "record that is an endless device": (link(record, "/dev/zero"), record, "not a regular file"),
        "samples that are a pipe": (pipe(samples), samples, "not a regular file"),
        "samples that are a folder": (instead(samples, Path.mkdir), samples, "not a regular file"),
        "samples that are a device": (link(samples, "/dev/urandom"), samples, "not a regular file"),
        "shards that are a pipe": (pipe(shards), shards, "not a regular file"),
        "samples of 256 MB": (huge(samples), samples, "does not end like"),
        "shards of 256 MB": (huge(shards), shards, "does not end like"),
        "info of 256 MB": (huge(info), info, "does not give"),
        "info that is a pipe": (pipe(info), info, "does not give"),
        "info of many lists": (text(info, b"[" + b"[]," * 2**22 + b"[]]"), info, "does not give"),
        "info that is deep": (text(info, b"[" * 10**6), info, "does not give"),
        "sizes of 256 MB": (huge(sizes), sizes, "does not give"),
        "sizes of other files": (text(sizes, b'{"../../etc/passwd": 3}'), sizes, "does not give"),
        "sums of 256 MB": (huge(sums), sums, "not what `sha256sum -c` reads"),
        "sums of many lines": (text(sums, b"\n" * 2**25), sums, "not what `sha256sum -c` reads"),
        "sums of other files": (text(sums, b"0" * 64 + b"  ../../etc/passwd\n"), sums, r"lists '\.\./\.\./etc/passwd'"),
        "sums with an escape": (text(sums, b"0" * 64 + b"  \x1b[2J\n"), sums, r"lists '.x1b\[2J'"),
        "croissant of 256 MB": (huge(croissant), croissant, "larger than"),
        "croissant that is a pipe": (pipe(croissant), croissant, "not a regular file"),
        "croissant of a parent": (described(contentUrl="../../etc/passwd"), croissant, "no file of this folder"),
        "croissant of a root": (described(contentUrl="/etc/passwd"), croissant, "no file of this folder"),
        "croissant of a file's address": (
            described(contentUrl="file:///etc/passwd"),
            croissant,
            "no file of this folder",
        ),
        "croissant of a Windows path": (described(contentUrl="a\\..\\b"), croissant, "no file of this folder"),
        "croissant of a bad address": (described(contentUrl="http://["), croissant, "no file of this folder"),
        "croissant of a number": (described(contentUrl=3), croissant, "no file of this folder"),
        "croissant of a pattern": (described(includes=["*.tar", "../*"]), croissant, "no file of this folder"),
    }
