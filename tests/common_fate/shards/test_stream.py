"""Every way a tar can be damaged on the way, against a reader that sees each byte once."""

import hashlib
import io
from collections.abc import Callable

import pytest

from common_fate.errors import ShardError
from common_fate.shards.stream import stream_samples
from common_fate.shards.tar import END, header, padded

SAMPLES = {f"a-{number:06d}": {"npy": bytes([number]) * (500 + 9 * number), "json": b"{}"} for number in range(4)}


def tar_of(samples: dict[str, dict[str, bytes]]) -> bytes:
    data = b""
    for key, members in samples.items():
        for extension, content in members.items():
            data += header(f"{key}.{extension}", len(content)) + content.ljust(padded(len(content)), b"\0")
    return data + END


TAR = tar_of(SAMPLES)
SECOND = len(tar_of({"a-000000": SAMPLES["a-000000"]})) - len(END)  # where the second sample's first header begins


def read(data: bytes, told: bytes = TAR, samples: int = len(SAMPLES)) -> dict[str, dict[str, bytes]]:
    """Streams `data` where the manifest knows `told`."""
    file = io.BytesIO(data)
    return dict(stream_samples(file, "x/000000.tar", len(told), samples, hashlib.sha256(told).hexdigest()))


def test_gives_back_what_was_written():
    assert read(TAR) == SAMPLES
    assert read(END, told=END, samples=0) == {}


def flip(place: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(lambda data: data[:SECOND], "cut off .* at or after a-000000", id="cut between samples"),
        pytest.param(lambda data: data[: SECOND + 1536], "cut off .* at or after a-000001", id="cut between members"),
        pytest.param(lambda data: data[: SECOND + 100], "cut off .* at or after a-000000", id="cut in a header"),
        pytest.param(lambda data: data[: SECOND + 600], "cut off .* at or after a-000001.npy", id="cut in a payload"),
        pytest.param(lambda data: data[: -len(END)], "cut off", id="cut before the end"),
        pytest.param(lambda data: data[:SECOND] + END, "does not end where its samples end", id="ended early"),
        pytest.param(lambda data: data + bytes(512), "does not end where its samples end", id="longer"),
        pytest.param(lambda data: b"", "cut off after 0 of", id="empty"),
        pytest.param(lambda data: b"<html>not found</html>" * 500, "foreign header", id="no tar"),
        pytest.param(flip(SECOND + 3), "header at byte .* at or after a-000000", id="bit in a name"),
        pytest.param(flip(SECOND + 110), "header at byte .* at or after a-000000", id="bit in an owner"),
        pytest.param(flip(SECOND + 700), "sha256 differs", id="bit in a payload"),
        pytest.param(flip(len(TAR) - 700), "header at byte", id="bit in the end's first block"),
        pytest.param(flip(len(TAR) - 1), "does not end where its samples end", id="bit in the end's last block"),
        pytest.param(lambda data: header("b-000000.npy", 7 << 30) + data, "at most", id="claims gigabytes"),
        pytest.param(lambda data: header("b-000000.npy", 1 << 20) + data, "runs over its", id="claims a megabyte"),
    ],
)
def test_damage_raises_and_names_the_shard(damage, message):
    with pytest.raises(ShardError, match=r"^x/000000\.tar: .*" + message):
        read(damage(TAR))


def test_every_single_flipped_bit_is_found():
    """With the manifest's sum nothing passes; without it, payloads and their padding would."""
    for place in range(0, len(TAR), 97):
        with pytest.raises(ShardError):
            read(flip(place)(TAR))


def test_another_whole_shard_is_foreign():
    for other in ({"b-000000": SAMPLES["a-000000"]}, SAMPLES | {"b-000000": SAMPLES["a-000000"]}):
        with pytest.raises(ShardError):
            read(tar_of(other))


def test_members_must_be_complete_and_once():
    for samples, message in (
        (SAMPLES | {"b-000000": {"npy": b""}}, r"b-000000 has members \['npy'\]"),
        ({"a-000000": {"npy": b""}, "b-000000": {"json": b""}}, "b-000000 has members"),
    ):
        data = tar_of(samples)
        with pytest.raises(ShardError, match=message):
            read(data, told=data, samples=len(samples))
    twice = tar_of({"a-000000": {"npy": b""}})[:-1024] * 2 + END
    with pytest.raises(ShardError, match=r"a-000000\.npy stands twice"):
        read(twice, told=twice, samples=1)


def test_a_manifest_with_another_count_is_refused():
    with pytest.raises(ShardError, match="has 4 samples, the manifest says 5"):
        read(TAR, samples=5)


def test_a_failing_source_is_named():
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("connection reset")

    with pytest.raises(ShardError, match=r"x/000000\.tar: cannot be read: connection reset"):
        list(stream_samples(Broken(), "x/000000.tar", 1024, 0, ""))
