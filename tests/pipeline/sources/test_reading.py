import zlib
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common_fate.errors import SampleError
from pipeline.sources.reading import check_beside, is_image, of_one_size, read_image, read_labels
from pipeline.sources.source import Frame, Unreadable

COLOURS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.ppm", "a.bmp", "a.webp", "a.tif", "a.TIFF"])
def test_lossless_formats_are_read_as_they_are(tmp_path: Path, name: str):
    Image.fromarray(COLOURS).save(tmp_path / name, **({"lossless": True} if name == "a.webp" else {}))
    np.testing.assert_array_equal(read_image(str(tmp_path / name)), COLOURS)


def test_alpha_is_dropped(tmp_path: Path):
    alpha = np.arange(35, dtype=np.uint8).reshape(5, 7, 1)
    Image.fromarray(np.concatenate([COLOURS, alpha], axis=2)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(str(tmp_path / "a.png")), COLOURS)


@pytest.mark.parametrize(("dtype", "shift"), [(np.uint8, 0), (np.uint16, 8)])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_grey_becomes_rgb_of_8_bits(tmp_path: Path, name: str, dtype: type, shift: int):
    grey = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (5, 7), dtype=dtype)
    Image.fromarray(grey).save(tmp_path / name)
    expected = np.repeat((grey >> shift)[..., None], 3, axis=2)
    np.testing.assert_array_equal(read_image(str(tmp_path / name)), expected)


def test_a_palette_is_resolved(tmp_path: Path):
    image = Image.fromarray(COLOURS).quantize(16)
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(str(tmp_path / "a.png")), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(("tag", "turn"), [(1, lambda a: a), (6, lambda a: np.rot90(a, -1)), (2, lambda a: a[:, ::-1])])
def test_an_exif_orientation_is_honoured(tmp_path: Path, tag: int, turn):
    exif = Image.Exif()
    exif[0x0112] = tag
    Image.fromarray(COLOURS).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(str(tmp_path / "a.png")), turn(COLOURS))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.bmp", "a.webp", "a.tif", "a.ppm"])
@pytest.mark.parametrize("share", [0, 0.02, 0.6, 0.97])
def test_a_cut_file_is_refused_without_its_path(tmp_path: Path, name: str, share: float):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * share)])
    with pytest.raises(SampleError) as error:
        read_image(str(tmp_path / name))
    assert str(tmp_path) not in str(error.value)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("kind", [b"zTXt", b"tEXt", b"iTXt", b"iCCP"])
def test_a_png_with_much_text_or_a_large_profile_is_read(tmp_path: Path, kind: bytes, before: bool):
    """What is bounded is the pixels: a few kB of compressed text are 1.5 MB, which Pillow refuses."""
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    packed = zlib.compress(bytes(3 << 19)) if kind != b"tEXt" else b"x" * (1 << 27)
    content = {b"iTXt": b"Comment\0\1\0\0\0", b"tEXt": b"Comment\0"}.get(kind, b"Comment\0\0") + packed
    chunk = len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)
    at = 33 if before or kind == b"iCCP" else len(data) - 12
    (tmp_path / "a.png").write_bytes(data[:at] + chunk + data[at:])
    np.testing.assert_array_equal(read_image(str(tmp_path / "a.png")), COLOURS)
    with (tmp_path / "a.png").open("rb") as file:
        np.testing.assert_array_equal(read_image(file), COLOURS)


def exif(path: Path, orientation: int, height: int, width: int) -> str:
    tags = Image.Exif()
    tags[0x0112] = orientation
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(path, exif=tags)
    return str(path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_mask_beside_a_turned_frame_is_taken_where_its_size_says_how_it_lies(
    tmp_path: Path, orientation: int, ending: str
):
    path = exif(tmp_path / f"a.{ending}", orientation, 5, 7)
    shown = (7, 5) if orientation > 4 else (5, 7)
    unknown = pytest.raises(SampleError, match="EXIF tag that turns it, and nothing says whether a mask is turned")
    with nullcontext() if orientation in (1, 5, 6, 7, 8) else unknown:
        check_beside(path, shown, "a mask")
    if orientation > 4:
        with unknown:
            check_beside(path, (5, 7), "a mask")
        with unknown:
            check_beside(exif(tmp_path / f"square.{ending}", orientation, 6, 6), (6, 6), "a mask")
    with pytest.raises(SampleError, match=r"^a mask of 9x9 beside a frame of [57]x[57]$"):
        check_beside(path, (9, 9), "a mask")


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_mask_that_exif_turns_is_refused(tmp_path: Path, orientation: int):
    tags = Image.Exif()
    tags[0x0112] = orientation
    Image.fromarray(np.ones((5, 7), np.uint8)).save(tmp_path / "a.png", exif=tags)
    turned = pytest.raises(SampleError, match="the mask has an EXIF tag that turns it: store it upright")
    with nullcontext() if orientation == 1 else turned:
        assert read_labels(str(tmp_path / "a.png")).all()


def test_a_mask_of_one_bit_has_the_labels_0_and_1(tmp_path: Path):
    labels = np.eye(5, 9, dtype=np.uint8)
    Image.fromarray(labels > 0).save(tmp_path / "a.png")
    read = read_labels(str(tmp_path / "a.png"))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, labels)


def test_a_missing_file_is_refused_without_its_path(tmp_path: Path):
    with pytest.raises(SampleError, match=r"^cannot be read: No such file or directory$"):
        read_image(str(tmp_path / "a.png"))


@pytest.mark.parametrize("side", [9000, 60000])
def test_a_picture_too_large_is_refused_by_its_header(tmp_path: Path, side: int):
    (tmp_path / "a.ppm").write_bytes(b"P6 %d %d 255\n" % (side, side))
    with pytest.raises(SampleError, match=r"pixels; at most 67108864 are decoded$"):
        read_image(str(tmp_path / "a.ppm"))


def test_other_formats_are_no_images(tmp_path: Path):
    Image.fromarray(COLOURS).save(tmp_path / "a.gif")
    (tmp_path / "a.gif").rename(tmp_path / "a.png")
    with pytest.raises(SampleError, match="not an image of a known format"):
        read_image(str(tmp_path / "a.png"))
    assert is_image("B.JPeG")
    assert not is_image("a.gif")
    assert not is_image("jpg")


def test_frames_of_another_size_than_the_first_are_unreadable():
    def frame(number: int, height: int) -> Frame:
        return Frame(number, None, np.zeros((height, 10, 3), np.uint8))

    given = [frame(0, 8), Unreadable(1, "torn"), frame(2, 9), frame(3, 8), frame(4, 9)]
    kept = list(of_one_size(iter(given)))
    assert [type(one) for one in kept] == [Frame, Unreadable, Unreadable, Frame, Unreadable]
    assert kept[1] == given[1]
    assert kept[4] == Unreadable(4, "size changed from 10x8 to 10x9")
