from pathlib import Path

import pytest

from pipeline.downloads.policy import Gone
from pipeline.downloads.video_check import check_video
from tests.support.clips import write_clip, write_sound


def test_a_video_is_taken(tmp_path: Path):
    check_video(write_clip(tmp_path / "a.mp4", 2, "mjpeg", (64, 48)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf\n <!DOCTYPE html><p>Not here", "a web page, no video"),
        (b"<HTML>" + bytes(9000), "a web page, no video"),
        (b"Error: no such video\n", "a text, no video"),
        (b"x" + ("\u00e0" * 5001).encode(), "a text, no video"),
        (b"#EXTM3U\n#EXT-X-VERSION:3\n\0\0", "a text, no video"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n#\0", "a text, no video"),
        (b"\0\1\2\3" * 5000, "FFmpeg cannot open it"),
    ],
)
def test_anything_else_is_not(tmp_path: Path, data: bytes, reason: str):
    (tmp_path / "a.mp4").write_bytes(data)
    with pytest.raises(Gone, match=f"^{reason}"):
        check_video(tmp_path / "a.mp4")


def test_neither_is_sound_nor_what_begins_with_damage(tmp_path: Path):
    with pytest.raises(Gone, match="no video stream"):
        check_video(write_sound(tmp_path / "a.mp4"))
    clip = write_clip(tmp_path / "b.mp4", 3, "mjpeg", (64, 48))
    data = bytearray(clip.read_bytes())
    start = data.index(b"\xff\xd8")
    data[start : start + 500] = bytes(500)
    clip.write_bytes(data)
    with pytest.raises(Gone, match="its first frame cannot be had: damaged"):
        check_video(clip)
