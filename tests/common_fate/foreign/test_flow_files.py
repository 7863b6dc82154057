import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from common_fate.foreign.flow_files import (
    read_flo,
    read_jpeg_pair,
    read_kitti_png,
    write_flo,
    write_jpeg_pair,
    write_kitti_png,
)


@pytest.fixture
def flow() -> np.ndarray:
    """Multiples of 1/64 px within KITTI's range, wider than high."""
    return np.random.default_rng(3).integers(-32768, 32767, (2, 5, 9)).astype(np.float32) / 64


@pytest.fixture
def valid() -> np.ndarray:
    return np.random.default_rng(4).random((5, 9)) < 0.7


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def flo_bytes(width: int, height: int, values: int) -> bytes:
    return struct.pack("<fii", 202021.25, width, height) + bytes(4 * values)


def test_a_flo_file_survives_the_round_trip_exactly(tmp_path: Path, flow: np.ndarray, valid: np.ndarray):
    write_flo(tmp_path / "a.flo", flow, valid)
    read, known = read_flo(tmp_path / "a.flo")
    assert read.dtype == np.float32
    np.testing.assert_array_equal(known, valid)
    np.testing.assert_array_equal(read, flow * valid)


def test_a_flo_file_is_laid_out_as_middlebury_says(tmp_path: Path, flow: np.ndarray):
    write_flo(tmp_path / "a.flo", flow)
    data = (tmp_path / "a.flo").read_bytes()
    assert data[:4] == b"PIEH"
    assert struct.unpack("<ii", data[4:12]) == (9, 5)
    assert struct.unpack("<4f", data[12:28]) == (flow[0, 0, 0], flow[1, 0, 0], flow[0, 0, 1], flow[1, 0, 1])


def test_flo_beyond_1e9_or_not_a_number_is_unknown(tmp_path: Path):
    values = np.array([1, 2, 1.7e9, 0, np.nan, 3, -1e9, 1e9], "<f4")
    (tmp_path / "a.flo").write_bytes(struct.pack("<fii", 202021.25, 4, 1) + values.tobytes())
    flow, valid = read_flo(tmp_path / "a.flo")
    assert valid.tolist() == [[True, False, False, True]]
    assert flow[:, 0].T.tolist() == [[1, 2], [0, 0], [0, 0], [-1e9, 1e9]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "magic"),
        (b"PIEH", "magic"),
        (b"HEIP" + bytes(20), "magic"),
        (flo_bytes(4, 3, 23), "cut short"),
        (flo_bytes(4, 3, 25), "longer than its header says"),
        (flo_bytes(0, 3, 0), "no size"),
        (flo_bytes(-4, -3, 24), "no size"),
        (flo_bytes(2**20, 2**20, 4), "no size"),
    ],
)
def test_a_damaged_flo_file_is_refused_with_its_name(tmp_path: Path, data: bytes, message: str):
    (tmp_path / "bad.flo").write_bytes(data)
    with pytest.raises(ValueError, match=rf"bad\.flo: .*{message}"):
        read_flo(tmp_path / "bad.flo")


def test_a_kitti_png_survives_the_round_trip_exactly(tmp_path: Path, flow: np.ndarray, valid: np.ndarray):
    assert write_kitti_png(tmp_path / "a.png", flow, valid) == 0
    read, known = read_kitti_png(tmp_path / "a.png")
    assert read.dtype == np.float32
    np.testing.assert_array_equal(known, valid)
    np.testing.assert_array_equal(read, flow * valid)


def test_a_kitti_png_holds_u_v_and_valid_in_red_green_and_blue(tmp_path: Path):
    stored = np.array([[[1, 32768 + 64 * 7, 32768 - 64 * 5], [0, 0, 0]]], np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), stored)  # OpenCV takes blue, green, red
    flow, valid = read_kitti_png(tmp_path / "a.png")
    assert flow[:, 0, 0].tolist() == [-5, 7]
    assert valid.tolist() == [[True, False]]
    write_kitti_png(tmp_path / "b.png", flow, valid)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "b.png"), cv2.IMREAD_UNCHANGED), stored)


def test_flow_beyond_kittis_range_is_clipped_and_counted(tmp_path: Path):
    flow = np.zeros((2, 2, 3), np.float32)
    flow[0, 0, :2] = 600, -600
    valid = np.ones((2, 3), bool)
    valid[0, 1] = False  # an unknown pixel is not clipped, it is unknown
    assert write_kitti_png(tmp_path / "a.png", flow, valid) == 1
    assert read_kitti_png(tmp_path / "a.png")[0][0, 0].tolist() == [65535 / 64 - 512, 0, 0]


def test_a_png_that_is_no_kitti_flow_is_refused(tmp_path: Path, flow: np.ndarray):
    path = tmp_path / "bad.png"
    cv2.imwrite(str(path), np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(ValueError, match=r"bad\.png: .*16-bit RGB PNG; this one has 8 bits"):
        read_kitti_png(path)
    cv2.imwrite(str(path), np.zeros((4, 5), np.uint16))
    with pytest.raises(ValueError, match="colour type 0"):
        read_kitti_png(path)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 2**30, 2**30, 16, 2, 0, 0, 0)))
    with pytest.raises(ValueError, match="no size"):
        read_kitti_png(path)
    path.write_bytes(b"GIF89a" + bytes(50))
    with pytest.raises(ValueError, match="not a PNG"):
        read_kitti_png(path)


def test_a_png_cut_anywhere_or_damaged_is_refused(tmp_path: Path, flow: np.ndarray):
    path = tmp_path / "bad.png"
    write_kitti_png(path, flow)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut short|not a PNG"):
            read_kitti_png(path)
    path.write_bytes(whole[:60] + bytes([whole[60] ^ 4]) + whole[61:])
    with pytest.raises(ValueError, match="checksum"):
        read_kitti_png(path)


def test_a_jpeg_pair_decodes_as_cmp_publishes_it(tmp_path: Path):
    for name, level in (("x", 255), ("y", 51)):
        Image.fromarray(np.full((16, 24), level, np.uint8)).save(tmp_path / f"{name}.jpg", quality=100)
    flow = read_jpeg_pair(tmp_path / "x.jpg", tmp_path / "y.jpg")
    assert flow.shape == (2, 16, 24)
    np.testing.assert_allclose(flow[:, 8, 8], [50, -30], atol=1e-4)


def test_a_smooth_field_survives_a_jpeg_pair_to_its_step_and_large_flow_is_counted(tmp_path: Path):
    x, y = np.meshgrid(np.linspace(-30, 30, 64), np.linspace(-20, 20, 48))
    flow = np.stack([x, y]).astype(np.float32)
    pair = tmp_path / "x.jpg", tmp_path / "y.jpg"
    assert write_jpeg_pair(*pair, flow) == 0
    assert np.abs(read_jpeg_pair(*pair) - flow).max() < 1.5
    assert np.abs(read_jpeg_pair(*pair) - flow).mean() < 0.3
    flow[1, 3, 5] = 80
    assert write_jpeg_pair(*pair, flow) == 1


def test_a_jpeg_pair_of_two_sizes_or_cut_short_is_refused(tmp_path: Path):
    pair = tmp_path / "x.jpg", tmp_path / "y.jpg"
    write_jpeg_pair(*pair, np.zeros((2, 16, 16), np.float32))
    pair[0].write_bytes(pair[0].read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"x\.jpg: not a whole JPEG"):
        read_jpeg_pair(*pair)
    Image.fromarray(np.zeros((16, 8), np.uint8)).save(pair[0])
    with pytest.raises(ValueError, match="differ in size"):
        read_jpeg_pair(*pair)


def test_what_is_not_finite_is_written_only_as_unknown(tmp_path: Path):
    flow = np.zeros((2, 3, 3), np.float32)
    flow[0, 1, 1] = np.nan
    valid = np.ones((3, 3), bool)
    for write in (write_flo, write_kitti_png):
        with pytest.raises(ValueError, match="not finite"):
            write(tmp_path / "a", flow)
    with pytest.raises(ValueError, match="not finite"):
        write_jpeg_pair(tmp_path / "x.jpg", tmp_path / "y.jpg", flow)
    valid[1, 1] = False
    write_flo(tmp_path / "a.flo", flow, valid)
    write_kitti_png(tmp_path / "a.png", flow, valid)
    for read in (read_flo(tmp_path / "a.flo"), read_kitti_png(tmp_path / "a.png")):
        np.testing.assert_array_equal(read[0], 0)
        np.testing.assert_array_equal(read[1], valid)


@pytest.mark.parametrize("shape", [(5, 9), (5, 9, 2), (2, 0, 4)])
def test_flow_of_another_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="flow is"):
        write_flo(tmp_path / "a.flo", np.zeros(shape, np.float32))


def test_real_files_read_as_their_owners_wrote_them(shared_data: Path):
    formats = shared_data / "flow/formats"
    flow, valid = read_flo(formats / "0000000-flow_01.flo")
    raw = np.fromfile(formats / "0000000-flow_01.flo", "<f4")[3:].reshape(50, 50, 2)
    np.testing.assert_array_equal(flow, raw.transpose(2, 0, 1))
    assert valid.all()

    flow, valid = read_kitti_png(formats / "sparse_flow.png")
    assert flow.shape == (2, 25, 25)
    assert not valid.any()  # red and green hold 504 px everywhere, blue says that none of it is known
    assert not flow.any()

    flow, valid = read_flo(shared_data / "flow/middlebury/RubberWhale/flow10.flo")
    assert flow.shape == (2, 388, 584)
    assert 0.9 < valid.mean() < 1
    assert np.abs(flow).max() < 10
