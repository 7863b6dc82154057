import io
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from common_fate.errors import UserError
from tests.support.coloured_net import ColouredNet, canvas, options
from trainers.methods.cmp.apps.animate import animate, write_mp4

TELEA = 5  # grey levels by which OpenCV's painting strays within a plain colour


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(io.BytesIO(path.read_bytes())) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def smooth(height: int, width: int) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def test_the_motion_grows_evenly_from_none_to_all():
    picture = canvas()
    picture[20:40, 10:30] = (200, 10, 10)
    frames = list(animate(ColouredNet(), options(), picture, [[25, 15, -12, 24]], 4))
    assert len(frames) == 4
    assert (frames[0] == picture).all()
    for i, frame in enumerate(frames):
        expected = canvas()  # which is also what the object uncovers
        expected[20 - 4 * i : 40 - 4 * i, 10 + 8 * i : 30 + 8 * i] = (200, 10, 10)
        assert np.abs(frame.astype(int) - expected).max() <= TELEA, i


def test_no_hole_remains_when_everything_moves():
    picture = np.full((64, 80, 3), (200, 90, 120), np.uint8)
    frames = list(animate(ColouredNet(), options(), picture, [[25, 15, 7, 21]], 3))
    assert all(np.abs(frame.astype(int) - (200, 90, 120)).max() <= TELEA for frame in frames)


def test_motion_beyond_the_limit_is_shortened_once_so_that_it_stays_even():
    picture = canvas()
    picture[20:40, 10:20] = (200, 10, 10)
    last = list(animate(ColouredNet(), options(limit=12), picture, [[25, 15, 0, 60]], 3))
    expected = [canvas() for _ in range(3)]
    for i in range(3):
        expected[i][20:40, 10 + 6 * i : 20 + 6 * i] = (200, 10, 10)
    assert all(np.abs(a.astype(int) - b).max() <= TELEA for a, b in zip(last, expected, strict=True))


def test_guidance_outside_is_refused():
    with pytest.raises(UserError, match="outside the image"):
        list(animate(ColouredNet(), options(), canvas(), [[64, 0, 1, 1]], 3))


@pytest.mark.parametrize(("height", "width"), [(64, 80), (63, 81)])
def test_the_video_has_the_frames_in_order(tmp_path: Path, height: int, width: int):
    still = smooth(height, width)
    pictures = [np.roll(still, 4 * i, axis=1) for i in range(7)]
    write_mp4(tmp_path / "deep" / "out.mp4", pictures, 12.5)
    frames = decoded(tmp_path / "deep" / "out.mp4")
    assert len(frames) == 7
    for frame, picture in zip(frames, pictures, strict=True):
        assert frame.shape == (64, 80 if width == 80 else 82, 3)
        difference = np.abs(frame[:height, :width].astype(int) - picture)
        assert difference.mean() < 5  # 4:2:0 halves the resolution of colour
    with av.open(str(tmp_path / "deep" / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 12.5
        assert stream.pix_fmt == "yuv420p"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out.mp4"]


@pytest.mark.parametrize("color", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128), (255, 255, 255)])
def test_colours_survive_the_video(tmp_path: Path, color: tuple[int, int, int]):
    write_mp4(tmp_path / "out.mp4", [np.full((32, 32, 3), color, np.uint8)] * 2, 10)
    assert np.abs(decoded(tmp_path / "out.mp4")[0].astype(int) - color).max() <= 4


def test_without_h264_it_is_mpeg4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    still = smooth(64, 80)
    write_mp4(tmp_path / "out.mp4", [still] * 3, 15)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert np.abs(decoded(tmp_path / "out.mp4")[0].astype(int) - still).mean() < 4


def test_a_run_that_fails_leaves_what_was_there(tmp_path: Path):
    def fails():
        yield canvas()
        raise UserError("half-way")

    (tmp_path / "out.mp4").write_bytes(b"before")
    with pytest.raises(UserError, match="half-way"):
        write_mp4(tmp_path / "out.mp4", fails(), 15)
    assert (tmp_path / "out.mp4").read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 1
