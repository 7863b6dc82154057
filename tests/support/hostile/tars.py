"""Headers of tar members that mean harm."""

import hashlib
import tarfile
from pathlib import Path
from typing import Any

from common_fate.manifest.tables import write_manifest
from common_fate.shards.record import Record
from common_fate.shards.tar import BLOCK, header
from tests.support.hostile.view import KEYS, change_record, good_members


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
