from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common_fate.datasets.catalog import Video
from common_fate.errors import UserError
from pipeline.sources.images import SOURCE
from pipeline.sources.source import Unreadable

WHERE = "config.yaml: datasets.x.source"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cat.jpg", "dog.PNG"):
        Image.fromarray(np.full((6, 9, 3), 100, np.uint8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_each_image_is_a_video_of_one_frame(folder: Path):
    videos = SOURCE.videos(SOURCE.options(path=f"{folder}/*", license="CC0"), WHERE)
    assert [video.video for video in videos] == ["cat", "dog"]
    assert videos[0] == Video("cat", "images", f"{folder}/cat.jpg", "CC0", (folder / "cat.jpg").stat().st_size)
    for video in videos:
        assert list(SOURCE.numbers(video)) == [0]
        [frame] = SOURCE.read(video, [0])
        assert frame.image.shape == (6, 9, 3)
        assert frame.seconds is None


def test_a_damaged_image_is_unreadable(folder: Path):
    (folder / "cat.jpg").write_bytes(b"\xff\xd8\xff\xe0 and then nothing")
    [frame] = SOURCE.read(Video("cat", "images", f"{folder}/cat.jpg"), [0])
    assert isinstance(frame, Unreadable)


def test_there_is_no_second_frame(folder: Path):
    assert list(SOURCE.read(Video("cat", "images", f"{folder}/cat.jpg"), [1])) == [Unreadable(1, "no such frame")]


def test_a_folder_without_images_is_refused(folder: Path):
    with pytest.raises(UserError, match=r"config\.yaml: datasets\.x\.source\.path '.*n\*' matches no image \(\.jpg"):
        SOURCE.videos(SOURCE.options(path=f"{folder}/n*"), WHERE)


def test_every_ending_of_a_format_is_taken_and_what_is_not_read_is_named(
    folder: Path, caplog: pytest.LogCaptureFixture
):
    image = Image.fromarray(np.full((6, 9, 3), 100, np.uint8))
    for name in ("a.jfif", "b.jpe", "c.jp2", "d.tif", "e.webp"):
        image.save(folder / name, {"a": "JPEG", "b": "JPEG"}.get(name[0]))
    image.save(folder / "f.gif")
    (folder / "g.TGA").touch()
    videos = SOURCE.videos(SOURCE.options(path=f"{folder}/*"), WHERE)
    assert [video.video for video in videos] == ["a", "b", "c", "cat", "d", "dog", "e"]
    for video in videos:
        assert next(SOURCE.read(video, [0])).image.shape == (6, 9, 3)
    [told] = caplog.messages
    assert told.startswith("config.yaml: datasets.x.source.path: left out, since such images are not read: ")
    assert told.endswith((".gif and 1 more", ".TGA and 1 more"))


def test_the_same_name_in_two_formats_is_refused(folder: Path):
    (folder / "cat.png").write_bytes((folder / "dog.PNG").read_bytes())
    with pytest.raises(UserError, match="would both be called 'cat'"):
        SOURCE.videos(SOURCE.options(path=f"{folder}/*"), WHERE)
