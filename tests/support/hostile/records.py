"""Shard records that mean harm."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from common_fate.shards.tar import BLOCK, END
from tests.support.hostile.view import KEYS, change_record

GIGABYTE = 2**30


def hostile_records() -> dict[str, tuple[Callable[[Path], object], str]]:
    """Changes of a good view's record, and what the refusal says."""

    def fields(**changes: Any) -> Callable[[Path], object]:
        return lambda folder: change_record(folder, **changes)

    def text(data: bytes) -> Callable[[Path], object]:
        return lambda folder: (folder / "000000.json").write_bytes(data)

    def kinds(first: str) -> Callable[[Path], object]:
        return fields(extensions=[first, "flow.b2", "guidance.npy", "valid.png", "json"])

    def many(samples: int) -> Callable[[Path], object]:
        keys, sizes = [f"ape-{n:06d}" for n in range(samples)], [[0] * 8] * samples
        extensions = [f"{letter}.jpg" for letter in "abcdefgh"]
        size = len(END) + samples * 8 * BLOCK
        return fields(samples=samples, keys=keys, sizes=sizes, extensions=extensions, bytes=size)

    def sparse(folder: Path) -> None:
        with (folder / "000000.json").open("r+b") as file:
            file.truncate(GIGABYTE)

    return {
        "1 GB": (sparse, "larger than"),
        "many empty lists": (text(b'{"keys": [' + b"[]," * 3_000_000 + b"[]]}"), "more than"),
        "deep": (text(b'{"options": ' + b"[" * 500 + b"]" * 500 + b"}"), "deeply|not a shard record"),
        "deeper than the stack": (text(b"[" * 1_000_000), "deeply|more than"),
        "a name twice": (text(b'{"stage": "a", "stage": "b"}'), "twice"),
        "not a number": (text(b'{"version": NaN}'), "NaN"),
        "a million members": (many(125_000), "more than a shard may have"),
        "200,000 samples": (many(200_000), "more than"),
        "a long key": (fields(keys=["a" * 10**6, *KEYS[1:]]), "no key"),
        "a key that leads out": (fields(keys=["../../evil", *KEYS[1:]]), "no key"),
        "an absolute key": (fields(keys=["/etc/passwd", *KEYS[1:]]), "no key"),
        "a key with a dot": (fields(keys=["ape.x-000000", *KEYS[1:]]), "no key"),
        "a key with a newline": (fields(keys=["ape-000000\nerror: none", *KEYS[1:]]), "no key"),
        "a key with an escape": (fields(keys=["\x1b]0;owned\x07\x1b[2J", *KEYS[1:]]), "no key"),
        "a key of right-to-left text": (fields(keys=["\u202egpj.exe", *KEYS[1:]]), "no key"),
        "a key twice": (fields(keys=[KEYS[0], *KEYS[:2]]), "stands twice"),
        "an extension that runs": (
            fields(extensions=["pkl", "flow.b2", "guidance.npy", "valid.png", "json"]),
            "no place",
        ),
        "an extension that leads out": (kinds("/../x.jpg"), "no place"),
        "an extension twice": (fields(extensions=["jpg"] * 5), "twice"),
        "a member of 8 GB": (fields(sizes=[[2**33] * 5] * 3, bytes=3 * 5 * (2**33 + BLOCK) + len(END)), "at most"),
        "negative sizes": (fields(sizes=[[-1] * 5] * 3), "size"),
        "huge bytes": (fields(bytes=2**62), "says"),
        "another's shard": (fields(shard="../../000000"), "another's file|foreign"),
        "no text for a stage": (fields(stage=["x"]), "must be text"),
        "huge measures": (fields(statistics={"height": {"mean": 1, "min": 10**30, "max": 10**30}}), "64 bits"),
        "a failure of a path": (fields(failures=[{"key": "../x", "stage": "s", "reason": "r"}]), "no key"),
        "a reason of a megabyte": (fields(failures=[{"key": "a", "stage": "s", "reason": "r" * 2**20}]), "characters"),
        "unknown fields": (fields(__class__="x"), "not a shard record"),
    }
