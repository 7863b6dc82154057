import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common_fate.shards.tar import BLOCK, END, header, padded, parse_header, walk

MEMBERS = [("v-000000.jpg", b"x" * 700), ("v-000000.json", b"{}"), ("v-000001.jpg", b""), ("v-000001.json", b"y" * 512)]


def archive(members: list[tuple[str, bytes]]) -> bytes:
    parts = [header(name, len(data)) + data + bytes(padded(len(data)) - len(data)) for name, data in members]
    return b"".join(parts) + END


def walked(data: bytes) -> list[tuple[str, int, int]]:
    return list(walk(io.BytesIO(data)))


def test_tarfile_reads_plain_files_of_mode_644_without_owner_or_time():
    with tarfile.open(fileobj=io.BytesIO(archive(MEMBERS))) as tar:
        members = tar.getmembers()
        read = [(member.name, tar.extractfile(member).read()) for member in members]
    assert read == MEMBERS
    for member in members:
        assert member.isreg()
        assert (member.mode, member.uid, member.gid, member.mtime) == (0o644, 0, 0, 0)
        assert (member.uname, member.gname, member.pax_headers) == ("", "", {})


def test_walk_finds_what_tarfile_finds():
    data = archive(MEMBERS)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        expected = [(member.name, member.offset_data, member.size) for member in tar]
    assert walked(data) == expected


@given(st.text("abcXYZ019_-.", min_size=1, max_size=100), st.integers(0, 8 * 2**30 - 1))
def test_a_header_says_what_it_was_made_from(name: str, size: int):
    assert parse_header(header(name, size), 0) == (name, size)


@pytest.mark.parametrize(("name", "size"), [("n" * 101, 1), ("ü.jpg", 1), ("a.jpg", 8 * 2**30), ("a.jpg", -1)])
def test_what_plain_ustar_cannot_say_is_refused(name: str, size: int):
    with pytest.raises(ValueError):  # noqa: PT011  any message will do
        header(name, size)


def test_every_flipped_bit_of_a_header_is_caught():
    for bit in range(8 * BLOCK):
        data = bytearray(archive(MEMBERS))
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match="byte 0"):
            walked(bytes(data))


@pytest.mark.parametrize("length", [0, 1, 511, 512, 900, 1536, 2048, 2560, 2561, len(archive(MEMBERS)) - BLOCK])
def test_every_cut_is_caught(length: int):
    with pytest.raises(ValueError, match=r"cut off|end of the archive"):
        walked(archive(MEMBERS)[:length])


@pytest.mark.parametrize("more", [bytes(BLOCK), archive(MEMBERS), b"x"])
def test_data_after_the_end_is_caught(more: bytes):
    with pytest.raises(ValueError, match="end of the archive"):
        walked(archive(MEMBERS) + more)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT])
def test_links_folders_and_foreign_headers_are_refused(kind: bytes, style: int):
    info = tarfile.TarInfo("a.jpg")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(ValueError, match="foreign header"):
        walked(info.tobuf(style) + END)


def test_a_pax_header_is_refused():
    info = tarfile.TarInfo("a.jpg")
    info.mtime = 0.5
    with pytest.raises(ValueError, match="foreign header"):
        walked(info.tobuf(tarfile.PAX_FORMAT) + END)


def test_an_archive_of_nothing_has_no_members():
    assert walked(END) == []
