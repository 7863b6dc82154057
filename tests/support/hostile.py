"""Shards, manifests and members that mean harm, small on disk."""

import hashlib
import io
import json
import os
import pickle
import struct
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import blosc2
import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from common_fate.manifest.tables import write_manifest
from common_fate.shards.codecs import encode
from common_fate.shards.record import Record
from common_fate.shards.tar import BLOCK, END, header
from common_fate.shards.writer import write_shard

KEYS = ["ape-000000", "ape-000001", "bee-000000"]
HEIGHT, WIDTH = 24, 32
GIGABYTE = 2**30


@dataclass
class Payload:
    """Unpickling it writes the file."""

    marker: str

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.marker}'",)


def good_members(number: int = 0) -> dict[str, bytes]:
    image = cv2.resize(np.random.default_rng(number).integers(0, 255, (3, 4, 3), np.uint8), (WIDTH, HEIGHT))
    return {
        "jpg": cv2.imencode(".jpg", image)[1].tobytes(),
        "flow.b2": encode("flow.b2", np.full((2, HEIGHT, WIDTH), number, np.float32)),
        "guidance.npy": encode("guidance.npy", np.array([[5, 6, 7]], np.float32)),
        "valid.png": encode("valid.png", np.full((HEIGHT, WIDTH), 255, np.uint8)),
        "json": encode("json", {"video": "ape", "next": number + 1}),
    }


def make_view(folder: Path, changed: Mapping[str, bytes] | None = None) -> Path:
    """A view of one shard of three samples; the members `changed` are the second sample's."""
    facts = {"stage": "cmp", "version": 1, "options": {}, "inputs": {}}
    samples = [(key, good_members(number)) for number, key in enumerate(KEYS)]
    samples[1] = KEYS[1], samples[1][1] | (changed or {})
    write_shard(folder / "000000.tar", samples, lambda: facts)
    write_manifest(folder, ["000000"], "a view")
    return folder


# Members.


def jpeg_of(width: int, height: int) -> bytes:
    """A small JPEG whose header claims another size."""
    data = bytearray(good_members()["jpg"])
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def jpeg_of_scans(scans: int) -> bytes:
    """A progressive JPEG of 4096 x 4096 pixels, whose last scan is repeated: each costs a pass over the picture."""
    data = cv2.imencode(".jpg", np.zeros((4096, 4096, 3), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * scans + data[-2:]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, depth: int = 8, colour: int = 0, interlaced: int = 0, more: bytes = b"") -> bytes:
    """A PNG whose header claims a size; of pixels it has as many zeros as fit into a kilobyte."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    pixels = chunk(b"IDAT", zlib.compress(bytes(2**20), 9))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + pixels + chunk(b"IEND", b"")


def npy_of(text: bytes, data: bytes = bytes(12)) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def npy_shape(shape: str, data: bytes = bytes(12), kind: str = "<f4") -> bytes:
    return npy_of(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode(), data)


def pickled_npy(marker: str) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Payload(marker)], object), allow_pickle=True)
    return buffer.getvalue()


def field_of(height: int, width: int, blosc: bytes) -> bytes:
    return struct.pack("<4sII", b"CFF1", height, width) + blosc


def blosc_of(size: int, **changes: int) -> bytes:
    """A chunk of zeros as the encoder writes them, with fields of its header changed."""
    data = bytearray(encode("flow.b2", np.zeros((2, HEIGHT, WIDTH), np.float32))[12:])
    fields = {"version": 0, "flags": 2, "typesize": 3}
    struct.pack_into("<I", data, 4, size)
    for name, value in changes.items():
        if name in fields:
            data[fields[name]] = value
        else:
            struct.pack_into("<I", data, {"block": 8, "stored": 12}[name], value)
    return bytes(data)


def special_chunk(size: int) -> bytes:
    """32 bytes that stand for any number of memory's own bytes, or of zeros: a chunk of a special value."""
    data = bytearray(blosc_of(size, block=min(size, 2**21)))
    data[31] = 0x40  # uninitialised
    return bytes(data)


def hostile_members(marker: str) -> dict[str, tuple[str, bytes, str]]:
    """By what they are: extension, bytes, and what the refusal says."""
    code = pickle.dumps(Payload(marker))
    zeros = blosc2.compress2(bytes(2**26), typesize=2)
    frame = blosc2.asarray(np.zeros(2**20, np.uint16)).to_cframe()
    return {
        "jpeg 60000x60000": ("jpg", jpeg_of(60_000, 60_000), "60000x60000 pixels"),
        "jpeg 0x0": ("jpg", jpeg_of(0, 0), "0x0 pixels"),
        "jpeg of 5000 scans": ("jpg", jpeg_of_scans(5000), "more than 100 scans"),
        "jpeg that is a png": ("jpg", png_of(8, 8), "damaged JPEG"),
        "jpeg of two frame headers": ("jpg", jpeg_of(8, 8)[:2] + jpeg_of(60_000, 60_000)[2:] * 2, "pixels|damaged"),
        "jpeg that is a pickle": ("jpg", code, "damaged JPEG"),
        "png 100000x100000": ("valid.png", png_of(100_000, 100_000), "100000x100000 pixels"),
        "png 2^31x2^31": ("valid.png", png_of(2**31 - 1, 2**31 - 1), "pixels"),
        "png of 16 bits": ("valid.png", png_of(8, 8, depth=16), "8 bits|damaged"),
        "png of 1 bit": ("valid.png", png_of(8, 8, depth=1), "not one channel of 8 or 16"),
        "png with a palette": ("valid.png", png_of(8, 8, colour=3), "not one channel"),
        "png, interlaced, huge": ("valid.png", png_of(50_000, 50_000, interlaced=1), "pixels"),
        "png with few pixels": ("valid.png", png_of(8000, 8000), "damaged PNG"),
        "png without end": ("valid.png", png_of(8, 8)[:-12], "no end"),
        "npy of objects": ("guidance.npy", pickled_npy(marker), "Python objects"),
        "npy that is a pickle": ("guidance.npy", code, r"not a version 1\.0 \.npy"),
        "npy of a huge shape": ("guidance.npy", npy_shape("(1000000000000, 3)"), "does not fit|damaged"),
        "npy of an overflowing shape": ("guidance.npy", npy_shape("(4294967296, 4294967296, 4)"), "does not fit"),
        "npy of a negative shape": ("guidance.npy", npy_shape("(-1, 3)"), "damaged"),
        "npy of nothing, often": ("guidance.npy", npy_shape("(999999999999,)", b"", "|V0"), "damaged"),
        "npy of two dimensions": ("guidance.npy", npy_shape("(1, 2)", bytes(8)), r"\(N, 3\) float32"),
        "npy of nan": ("guidance.npy", npy_shape("(1, 3)", struct.pack("<3f", 1, float("nan"), 1)), "not finite"),
        "npy of a deep header": ("guidance.npy", npy_of(b"(" * 60_000), "damaged"),
        "npy of a code header": (
            "guidance.npy",
            npy_of(f"__import__('os').system('touch {marker}')".encode()),
            "damaged",
        ),
        "npy of a long header": ("guidance.npy", npy_of(b"{" + b" " * 65_000 + b"}"), "damaged"),
        "flow 2^31x2^31": ("flow.b2", field_of(2**31, 2**31, blosc_of(0)), "pixels"),
        "flow whose chunk claims 4 GB": ("flow.b2", field_of(HEIGHT, WIDTH, blosc_of(2**32 - 1)), "claims"),
        "flow of huge blocks": ("flow.b2", field_of(HEIGHT, WIDTH, blosc_of(3072, block=2**29)), "blocks claim"),
        "flow of another length": ("flow.b2", field_of(HEIGHT, WIDTH, blosc_of(3072, stored=2**20)), "claims to be"),
        "flow of uninitialised memory": ("flow.b2", field_of(8192, 8192, special_chunk(2**28)), "not Zstandard"),
        "flow of another codec": ("flow.b2", field_of(4096, 4096, zeros), "not Zstandard"),
        "flow that is a frame": ("flow.b2", field_of(HEIGHT, WIDTH, bytes(frame)), "damaged"),
        "flow that is lazy": ("flow.b2", field_of(HEIGHT, WIDTH, blosc_of(3072, flags=0xF5)), "not Zstandard"),
        "json, deep": ("json", b'{"a":' * 60_000 + b"1" + b"}" * 60_000, "deeply|values"),
        "json, deep but whole": ("json", b'{"a":' * 400 + b"1" + b"}" * 400, "deeply"),
        "json of many lists": ("json", b'{"a": [' + b"[]," * 300_000 + b"[]]}", "more than 65536 values"),
        "json of a huge number": ("json", b'{"next": ' + b"9" * 4000 + b"}", "64 bits"),
        "json of a large number": ("json", b'{"next": 18446744073709551616}', "64 bits"),
        "json of infinity": ("json", b'{"seconds": 1e999}', "1e999"),
        "json of not-a-number": ("json", b'{"seconds": NaN}', "NaN"),
        "json of a name twice": ("json", b'{"next": 1, "next": 2}', "'next' stands twice"),
        "json of an escape twice": ("json", b'{"\\u001b[2J": 1, "\\u001b[2J": 2}', r"\\x1b\[2J' stands twice"),
        "json that is no object": ("json", b"[]", "must be an object"),
        "json that is no text": ("json", b'{"a": "\xff"}', "codec"),
    }


# Tars.


def put_header(folder: Path, block: bytes) -> None:
    """Another header in place of the second sample's first, with every sum made to agree."""
    tar, record = folder / "000000.tar", Record.read(folder / "000000.json")
    data = bytearray(tar.read_bytes())
    at = record.offsets()[1][0] - BLOCK
    data[at : at + BLOCK] = block
    tar.write_bytes(data)
    change_record(folder, sha256=hashlib.sha256(data).hexdigest())
    write_manifest(folder, ["000000"], "a view")


def tar_header(name: str, kind: bytes, style: int = tarfile.USTAR_FORMAT, **facts: Any) -> bytes:
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in facts.items():
        setattr(info, field, value)
    return info.tobuf(style, "utf-8", "surrogateescape")[:BLOCK]


def resummed(block: bytes) -> bytes:
    data = bytearray(block)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data)
    return bytes(data)


def sized(field: bytes) -> bytes:
    """A plain header whose size is written as `field`, 12 bytes."""
    data = bytearray(header(f"{KEYS[1]}.jpg", 0))
    data[124:136] = field
    return resummed(bytes(data))


def hostile_headers() -> dict[str, bytes]:
    size = len(good_members(1)["jpg"])
    return {
        "absolute name": header("/tmp/evil.jpg", size),
        "name that leads out": header("../../../evil.jpg", size),
        "pickle member": header(f"{KEYS[1]}.pkl", size),
        "pth member": header(f"{KEYS[1]}.pth", size),
        "pyd member": header(f"{KEYS[1]}.pyd", size),
        "name with a newline": header("ape-000001.jpg\nerror: none", size),
        "name with an escape": header("ape-\x1b[2J\x1b[1;1H.jpg", size),
        "name that is not UTF-8": tar_header("\udcff\udcfe.jpg", tarfile.REGTYPE, size=size),
        "key of another sample": header(f"{KEYS[0]}.jpg", size),
        "link": tar_header(f"{KEYS[1]}.jpg", tarfile.SYMTYPE, linkname="/etc/passwd"),
        "hard link": tar_header(f"{KEYS[1]}.jpg", tarfile.LNKTYPE, linkname="../../x"),
        "device": tar_header(f"{KEYS[1]}.jpg", tarfile.CHRTYPE, devmajor=1, devminor=5),
        "block device": tar_header(f"{KEYS[1]}.jpg", tarfile.BLKTYPE, devmajor=8),
        "pipe": tar_header(f"{KEYS[1]}.jpg", tarfile.FIFOTYPE),
        "folder": tar_header(f"{KEYS[1]}.jpg", tarfile.DIRTYPE),
        "PAX header": tar_header("x" * 300, tarfile.REGTYPE, tarfile.PAX_FORMAT),
        "PAX header for all": tar_header("x", tarfile.XGLTYPE),
        "GNU long name": tar_header("x" * 300, tarfile.REGTYPE, tarfile.GNU_FORMAT),
        "GNU sparse file": tar_header("x", tarfile.GNUTYPE_SPARSE, tarfile.GNU_FORMAT),
        "size of 8 GiB": header(f"{KEYS[1]}.jpg", 8**11 - 1),
        "size in base 256": sized(b"\x80" + (2**62).to_bytes(11)),
        "negative size in base 256": sized(b"\xff" * 12),
        "negative size": sized(b"-0000000001\0"),
        "size that is no number": sized(b"0x000000001\0"),
        "mode of setuid": tar_header(f"{KEYS[1]}.jpg", tarfile.REGTYPE, mode=0o4777, size=size),
        "Ustar prefix": tar_header("/".join(["a" * 60] * 3), tarfile.REGTYPE, size=size),
    }


# Records.


def change_record(folder: Path, **changes: Any) -> None:
    path = folder / "000000.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


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


# Manifests.


def change_table(path: Path, change: Callable[[list[dict[str, Any]]], object], schema: pa.Schema | None = None) -> None:
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema or table.schema), path, compression="zstd")


def put_column(path: Path, name: str, column: pa.Array) -> None:
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index(name), name, column), path, compression="zstd")


def same_rows(path: Path, rows: int, **changes: Any) -> None:
    """One row again and again: some bytes a column."""
    pq.write_table(same_table(pq.read_table(path), rows, **changes), path, compression="zstd")


def same_table(table: pa.Table, rows: int, **changes: Any) -> pa.Table:
    first = table.slice(0, 1).to_pylist()[0] | changes
    columns = {}
    for field in table.schema:
        value = first[field.name]
        if value is None:
            columns[field.name] = pa.nulls(rows, field.type)
        elif field.type == pa.string():
            columns[field.name] = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([value]))
        else:
            columns[field.name] = pa.array(np.full(rows, value))
    return pa.table(columns)


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


# Files that are none, and lists that name others.


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
