import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import blosc2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from common_fate.errors import SampleError
from common_fate.shards import flow_arrays, flow_coding, flow_kernels
from common_fate.shards.flow_coding import LIMIT, decode_flow, encode_flow

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))
seeds = st.integers(0, 2**32 - 1)


def smooth(height: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(size=(2, height, width))
    return (ndimage.gaussian_filter(noise, (0, 5, 5)) * 60).astype(np.float32)


def decoded_by_numpy(payload: bytes) -> NDArray[np.float32]:
    """The lines of the module's docstring."""
    height, width = np.frombuffer(payload, "<u4", count=2, offset=4)
    code = np.frombuffer(blosc2.decompress2(payload[12:]), "<u2").reshape(2, height, width)
    difference = (code >> 1).astype(np.int16) ^ -(code & 1).astype(np.int16)
    return difference.cumsum(axis=2, dtype=np.int16).cumsum(axis=1, dtype=np.int16).astype(np.float32) / 64


@settings(deadline=None)  # the first call compiles
@given(shape=shapes, seed=seeds, scale=st.sampled_from([0.0, 0.1, 30.0, LIMIT]))
def test_values_come_back_to_the_nearest_64th(shape: tuple[int, int], seed: int, scale: float):
    flow = np.random.default_rng(seed).uniform(-scale, scale, (2, *shape)).astype(np.float32)
    payload, clipped = encode_flow(flow)
    again = decode_flow(payload)
    assert clipped == 0
    assert again.dtype == np.float32
    np.testing.assert_array_equal(again, np.rint(flow.astype(float) * 64) / 64)
    np.testing.assert_array_equal(decoded_by_numpy(payload), again)


@pytest.mark.parametrize("shape", [(300, 400), (1000, 1200)])  # the second is several blocks of the compressor
def test_a_smooth_field_is_small_and_within_half_a_step(shape: tuple[int, int]):
    flow = smooth(*shape)
    payload, _ = encode_flow(flow)
    assert np.abs(decode_flow(payload) - flow).max() <= 1 / 128
    np.testing.assert_array_equal(decoded_by_numpy(payload), decode_flow(payload))
    assert len(payload) < flow.nbytes / 8


def test_real_flow_is_a_tenth_of_its_floats(shared_data):
    data = (shared_data / "flow/middlebury/RubberWhale/flow10.flo").read_bytes()
    width, height = np.frombuffer(data, "<i4", count=2, offset=4)
    flow = np.frombuffer(data, "<f4", offset=12).reshape(height, width, 2).transpose(2, 0, 1)
    flow = np.where(np.abs(flow) > 1e9, 0, flow).astype(np.float32)
    payload, clipped = encode_flow(flow)
    assert clipped == 0
    assert np.abs(decode_flow(payload) - flow).max() <= 1 / 128
    assert len(payload) < flow.nbytes / 10


def test_the_same_field_gives_the_same_bytes_whatever_its_layout():
    flow = smooth(120, 90)
    as_opencv_gives_it = np.ascontiguousarray(flow.transpose(1, 2, 0)).transpose(2, 0, 1)
    assert not as_opencv_gives_it.flags.c_contiguous
    assert encode_flow(flow)[0] == encode_flow(as_opencv_gives_it)[0] == encode_flow(flow.astype(np.float64))[0]


def test_the_header_names_the_size():
    assert encode_flow(np.zeros((2, 3, 700), np.float32))[0][:12] == b"CFF1" + struct.pack("<II", 3, 700)


def test_values_beyond_the_range_are_clipped_and_counted():
    flow = np.zeros((2, 4, 5), np.float32)
    flow[0, 0] = [511.98, -511.98, 511.99, 512, -600]
    flow[1, 3, :4] = [3e38, -3e38, LIMIT, -LIMIT]
    payload, clipped = encode_flow(flow)
    assert clipped == 4  # 511.99 rounds to the limit
    again = decode_flow(payload)
    np.testing.assert_array_equal(again[0, 0], [511.984375, -511.984375, LIMIT, LIMIT, -LIMIT])
    np.testing.assert_array_equal(again[1, 3], [LIMIT, -LIMIT, LIMIT, -LIMIT, 0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [(0, 0, 0), (0, 5, 6), (1, 19, 29)])
def test_a_value_that_is_not_finite_is_refused(bad: float, where: tuple[int, int, int]):
    flow = smooth(20, 30)
    flow[where] = bad
    with pytest.raises(SampleError, match="not finite"):
        encode_flow(flow)


@pytest.mark.parametrize("shape", [(20, 30), (3, 20, 30), (2, 0, 5), (2, 5, 0), (2, 1, 16385)])
def test_other_shapes_are_refused(shape: tuple[int, ...]):
    with pytest.raises(SampleError, match="a flow field is"):
        encode_flow(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (struct.pack("<4sII", b"CFF2", 20, 30), "starts with b'CFF2'"),
        (struct.pack("<4sII", b"CFF1", 0, 30), "0x30 pixels"),
        (struct.pack("<4sII", b"CFF1", 16385, 1), "16385x1 pixels"),
        (struct.pack("<4sII", b"CFF1", 2**32 - 1, 2**32 - 1), "4294967295x4294967295 pixels"),
        (struct.pack("<4sII", b"CFF1", 16384, 16384), "16384x16384 pixels"),
        (struct.pack("<4sII", b"CFF1", 20, 31), "claims 2400 bytes where its size needs 2480"),
    ],
)
def test_a_wrong_header_is_refused(header: bytes, message: str):
    with pytest.raises(ValueError, match=message):
        decode_flow(header + encode_flow(smooth(20, 30))[0][12:])


def test_every_cut_and_every_tail_is_refused():
    payload = encode_flow(smooth(20, 30))[0]
    for length in range(len(payload)):
        with pytest.raises(ValueError, match=r"not a flow field|damaged flow field"):
            decode_flow(payload[:length])
    with pytest.raises(ValueError, match="claims to be"):
        decode_flow(payload + b"\0")


def bomb(chunk_bytes: int, height: int, width: int) -> bytes:
    chunk = blosc2.compress2(np.zeros(chunk_bytes, np.uint8), typesize=2, clevel=1)
    return struct.pack("<4sII", b"CFF1", height, width) + chunk


def test_a_chunk_that_is_larger_than_its_field_is_not_decompressed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(blosc2, "decompress2", lambda *_, **__: pytest.fail("decompressed"))
    with pytest.raises(ValueError, match="claims 100000000 bytes where its size needs 2400"):
        decode_flow(bomb(100_000_000, 20, 30))


def chunk_with(flow: NDArray[np.float32], position: int, value: int) -> bytes:
    payload = bytearray(encode_flow(flow)[0])
    payload[12 + position] = value
    return bytes(payload)


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (0, 9),  # format version
        (2, 0xD5),  # a codec from outside
        (2, 0x9D),  # differences to another chunk
        (3, 4),  # type size
        (16, 35),  # a filter plug-in
        (21, 1),  # a byte shuffle
        (22, 200),  # a codec plug-in
        (31, 0x01),  # a dictionary
        (31, 0x08),  # a lazy chunk, which reads elsewhere
        (31, 0x40),  # memory left as it was found
    ],
)
def test_what_blosc2_reads_and_we_do_not_write_is_refused(position: int, value: int):
    with pytest.raises(ValueError, match="not Zstandard with a bit shuffle"):
        decode_flow(chunk_with(smooth(20, 30), position, value))


FIELDS = {
    "compressed": smooth(30, 40),
    "blocks": smooth(800, 750),
    "copied": np.random.default_rng(0).uniform(-511, 511, (2, 9, 9)).astype(np.float32),
    "zeros": np.zeros((2, 30, 40), np.float32),
    "one": np.ones((2, 1, 1), np.float32),
}
PAYLOADS = {name: encode_flow(field)[0] for name, field in FIELDS.items()}


@settings(deadline=None, max_examples=400)
@example(name="blocks", damage=[(44, 0xFF), (45, 0xFF), (46, 0xFF), (47, 0xFF)], keep_sizes=True)
@given(
    name=st.sampled_from(sorted(PAYLOADS)),
    damage=st.lists(st.tuples(st.integers(0, 80) | st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=6),
    keep_sizes=st.booleans(),
)
def test_damage_gives_an_error_or_a_field_and_never_a_crash(name: str, damage: list[tuple[int, int]], keep_sizes: bool):
    payload = bytearray(PAYLOADS[name])
    for position, value in damage:
        payload[position % len(payload)] = value
    if keep_sizes:  # so that the damage gets past our own checks, to blosc2
        payload[:12], payload[16:20], payload[24:44] = (PAYLOADS[name][a:b] for a, b in ((0, 12), (16, 20), (24, 44)))
    try:
        flow = decode_flow(bytes(payload))
    except ValueError:
        return
    assert flow.dtype == np.float32
    assert np.isfinite(flow).all()
    assert flow.nbytes == 8 * flow.shape[1] * flow.shape[2]


def test_every_single_bit_flip_of_a_header_gives_an_error_or_a_field():
    for payload in PAYLOADS.values():
        for bit in range(8 * min(60, len(payload))):
            flipped = bytearray(payload)
            flipped[bit // 8] ^= 1 << bit % 8
            try:
                decode_flow(bytes(flipped))
            except ValueError:
                continue


@settings(deadline=None)
@given(
    shape=shapes,
    seed=seeds,
    scale=st.sampled_from([0.0, 0.01, 1.0, LIMIT, 1000.0, 3e38]),
    odd=st.sampled_from([None, 0.5 / 64, 1.5 / 64, -0.0, np.inf, -np.inf, np.nan]),
)
def test_numpy_and_numba_code_alike(shape: tuple[int, int], seed: int, scale: float, odd: float | None):
    rng = np.random.default_rng(seed)
    flow = (rng.uniform(-1, 1, (2, *shape)) * scale).astype(np.float32)
    if odd is not None:
        flow[tuple(rng.integers(0, flow.shape))] = odd
    (code, clipped), (compiled, counted) = flow_arrays.code_of(flow), flow_kernels.code_of(flow)
    assert clipped == counted
    if clipped >= 0:
        np.testing.assert_array_equal(code, compiled)
        assert code.dtype == compiled.dtype


@settings(deadline=None)
@given(shape=shapes, seed=seeds)
def test_numpy_and_numba_decode_any_code_alike(shape: tuple[int, int], seed: int):
    code = np.random.default_rng(seed).integers(0, 2**16, (2, *shape), np.uint16)
    field = flow_arrays.field_of(code.copy())
    np.testing.assert_array_equal(field, flow_kernels.field_of(code))
    assert field.dtype == np.float32


def test_numba_is_used_where_it_is():
    assert flow_coding._code() is flow_kernels


@pytest.mark.slow
def test_where_nothing_can_be_kept_the_codec_compiles_each_time(tmp_path: Path):
    """A checkout on a read-only disk, without a home: also for root, who may write anywhere else."""
    root = Path(__file__).resolve().parents[3]
    package = shutil.copytree(root / "common_fate", tmp_path / "common_fate", ignore=shutil.ignore_patterns("*cache*"))
    for folder in (package, *(path for path in package.rglob("*") if path.is_dir())):
        (folder / "__pycache__").touch()  # a file, where a folder would be made
    code = (
        "import numpy as np; from common_fate.shards import flow_kernels\n"
        "from common_fate.shards.codecs import decode, encode\n"
        "flow = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)\n"
        "assert (decode('flow.b2', encode('flow.b2', flow)) == flow).all()"
    )
    bare = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=bare | {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
