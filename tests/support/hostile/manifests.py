"""Manifests that mean harm."""

import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.hostile.tables import change_table, put_column, same_rows, same_table
from tests.support.hostile.view import KEYS, Payload


def nested(depth: int) -> pa.Array:
    kind, value = pa.int64(), 1
    for _ in range(depth):
        kind, value = pa.list_(kind), [value]
    return pa.array([value] * 3, kind)


def code_type(marker: str) -> pa.Schema:
    """A type that old versions of PyArrow unpickled as they read it (CVE-2023-47248)."""
    about = {b"ARROW:extension:name": b"arrow.py_extension_type"}
    about[b"ARROW:extension:metadata"] = pickle.dumps(Payload(marker))
    return pa.field("key", pa.string(), metadata=about)


def hostile_manifests(marker: str) -> dict[str, tuple[Callable[[Path], object], str]]:
    """Changes of a good view's manifest, and what the refusal says."""

    def sample(**changes: Any) -> Callable[[Path], object]:
        return lambda folder: change_table(folder / "samples.parquet", lambda rows: rows[1].update(changes))

    def shard(**changes: Any) -> Callable[[Path], object]:
        return lambda folder: change_table(folder / "shards.parquet", lambda rows: rows[0].update(changes))

    def column(name: str, values: pa.Array, file: str = "samples.parquet") -> Callable[[Path], object]:
        return lambda folder: put_column(folder / file, name, values)

    def repeated(rows: int, **changes: Any) -> Callable[[Path], object]:
        return lambda folder: same_rows(folder / "samples.parquet", rows, **changes)

    def without(name: str, file: str) -> Callable[[Path], object]:
        return lambda folder: pq.write_table(pq.read_table(folder / file).drop_columns([name]), folder / file)

    def footer_of(data: bytes) -> Callable[[Path], object]:
        end = data + struct.pack("<I", len(data)) + b"PAR1"
        return lambda folder: (folder / "samples.parquet").write_bytes(b"PAR1" + end)

    def typed(folder: Path) -> None:
        table = pq.read_table(folder / "samples.parquet")
        schema = table.schema.set(0, code_type(marker))
        pq.write_table(pa.Table.from_arrays(table.columns, schema=schema), folder / "samples.parquet")

    def large_pages(folder: Path) -> None:
        path = folder / "samples.parquet"
        table = same_table(pq.read_table(path), 300).set_column(1, "video", pa.array(["v" * 2**20] * 300))
        pq.write_table(table, path, compression="zstd", use_dictionary=False, data_page_size=1, write_batch_size=8)

    def more(name: str, values: pa.Array) -> Callable[[Path], object]:
        def change(folder: Path) -> None:
            table = pq.read_table(folder / "samples.parquet")
            pq.write_table(table.append_column(name, values), folder / "samples.parquet")

        return change

    def renamed(folder: Path) -> None:
        table = pq.read_table(folder / "samples.parquet")
        names = [name.replace("jpg.", "pkl.") for name in table.column_names]
        pq.write_table(table.rename_columns(names), folder / "samples.parquet")

    place = "by the sizes, no member begins"
    return {
        "a million rows in runs": (repeated(1_000_000), "far more than there can be"),
        "long texts by reference": (repeated(200_000, video="v" * 2**14), "far more text"),
        "a page of zeros": (column("video", pa.array(["v" * 10**8, "v", "v"])), "unpacks to"),
        "pages of one letter": (large_pages, "far more than the file has bytes"),
        "a column like a part of another": (more("key.x", pa.array(["a", "b", "c"])), "looks like a part"),
        "columns within columns": (column("jpg.offset", nested(50)), "columns within columns"),
        "a struct": (column("jpg.offset", pa.array([{"a": 1}] * 3)), "columns within columns|not of whole"),
        "texts for numbers": (column("jpg.offset", pa.array(["1", "2", "3"])), "not of whole numbers"),
        "numbers for texts": (column("key", pa.array([1, 2, 3])), "not of text"),
        "a type that runs": (typed, ""),
        "a lacking column": (without("jpg.size", "samples.parquet"), "lacks the column jpg.size"),
        "a lacking column of shards": (without("sha256", "shards.parquet"), "lacks the column sha256"),
        "a negative offset": (sample(**{"jpg.offset": -512}), place),
        "an offset past the end": (sample(**{"jpg.offset": 2**50}), place),
        "an offset into another member": (sample(**{"jpg.offset": 600}), place),
        "overlapping members": (sample(**{"flow.b2.offset": 512}), place),
        "a negative size": (sample(**{"jpg.size": -1}), "not from 0"),
        "a size of exabytes": (sample(**{"jpg.size": 2**62}), "not from 0"),
        "a longer member": (sample(**{"json.size": 2**19}), place),
        "a last member that is longer": (
            lambda folder: change_table(folder / "samples.parquet", lambda rows: rows[2].update({"json.size": 2**19})),
            "shards.parquet has",
        ),
        "no offset": (sample(**{"jpg.offset": None}), "lacks its place"),
        "a key twice": (sample(key=KEYS[0]), "stands twice"),
        "a key that leads out": (sample(key="../../x"), "no key"),
        "a key with an escape": (sample(key="\x1b[2J"), "no key"),
        "a shard that leads out": (shard(shard="../x"), "does not name a shard"),
        "an absolute shard": (shard(shard="/etc/passwd"), "does not name a shard"),
        "a shard of other digits": (shard(shard="٠٠٠٠٠٠"), "does not name a shard"),
        "a file that leads out": (shard(file="../x.tar"), "another file|"),
        "a shard of a billion samples": (shard(samples=10**9), "samples are not from 0"),
        "a shard twice": (
            lambda folder: change_table(folder / "shards.parquet", lambda rows: rows.append(rows[0])),
            "stands twice",
        ),
        "a member that runs": (renamed, "no place in a shard"),
        "a deep footer": (footer_of(b"\x1c" * 100_000), "damaged"),
        "a footer of many structs": (footer_of(b"\x15\x02\x19\xfc\xff\xff\x7f" + b"\0" * 2**21), "damaged"),
        "a footer longer than the file": (
            lambda folder: (folder / "samples.parquet").write_bytes(b"PAR1" + b"\xff\xff\xff\x7fPAR1"),
            "does not end like",
        ),
    }
