"""Videos that were written, decoded again."""

import io
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from common_fate.errors import UserError
from trainers.mp4 import write_mp4


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(io.BytesIO(path.read_bytes())) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def smooth(height: int, width: int) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


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
        yield np.zeros((32, 32, 3), np.uint8)
        raise UserError("half-way")

    (tmp_path / "out.mp4").write_bytes(b"before")
    with pytest.raises(UserError, match="half-way"):
        write_mp4(tmp_path / "out.mp4", fails(), 15)
    assert (tmp_path / "out.mp4").read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 1
