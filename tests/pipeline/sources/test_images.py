from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common_fate.datasets.catalog import Video
from common_fate.errors import SampleError, UserError
from pipeline.columns.landmarks import mirrored_pairs
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


def pointed(folder: Path, table: str, **options: object) -> list[Video]:
    (folder / "points.csv").write_text(table)
    return SOURCE.videos(SOURCE.options(path=f"{folder}/*", points=f"{folder}/points.csv", **options), WHERE)


def test_images_have_the_points_of_their_rows(folder: Path, caplog: pytest.LogCaptureFixture):
    cat, dog = pointed(folder, "file,person,left_eye_x,left_eye_y,nose_x,nose_y\ncat.jpg,Tom,1,2,,\n")
    assert (cat.video, cat.about) == ("cat", '{"person": "Tom"}')
    points = SOURCE.points(cat, 0)
    assert (points.size, points.names) == ((6, 9), ("left_eye", "nose"))
    np.testing.assert_array_equal(points.rows, [[2, 1, 1], [0, 0, 0]])
    assert SOURCE.points(cat, 1) is None
    np.testing.assert_array_equal(SOURCE.points(dog, 0).rows, np.zeros((2, 3)))
    assert caplog.messages == [f"{WHERE}.points: 1 of 2 images have no row, and no points"]
    [frame] = SOURCE.read(cat, SOURCE.numbers(cat))
    assert frame.image.shape == (6, 9, 3)
    assert SOURCE.state(cat)[0] == cat.bytes == (folder / "cat.jpg").stat().st_size


def test_only_some_images_by_what_stands_in_their_rows(folder: Path):
    table = "file,split,x0,y0\ncat.jpg,train,1,2\ndog.PNG,val,3,4\n"
    assert [video.video for video in pointed(folder, table, only={"split": "val"})] == ["dog"]
    assert [video.video for video in pointed(folder, table)] == ["cat", "dog"]


def test_other_points_make_another_video_of_the_same_image(folder: Path):
    first, _ = pointed(folder, "file,x0,y0\ncat.jpg,1,2\n")
    again, _ = pointed(folder, "file,x0,y0\ncat.jpg,1.0,2\n")
    other, _ = pointed(folder, "file,x0,y0\ncat.jpg,1,3\n")
    assert first.uri == again.uri
    assert SOURCE.within(first) == SOURCE.within(again) != SOURCE.within(other)
    assert "/" not in SOURCE.within(first)


def test_an_image_that_exif_turns_has_no_points_that_are_known_to_fit(folder: Path):
    cat, _ = pointed(folder, "file,x0,y0\ncat.jpg,1,2\n")
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(np.full((6, 9, 3), 100, np.uint8)).save(folder / "cat.jpg", exif=exif)
    with pytest.raises(SampleError, match="an EXIF tag that turns it, and nothing says whether its points are turned"):
        SOURCE.points(cat, 0)
    (folder / "cat.jpg").write_bytes(b"no image")
    with pytest.raises(SampleError, match="not an image of a known format"):
        SOURCE.points(cat, 0)


@pytest.mark.parametrize("uri", ['{"file": ', '{"file": 3, "points": {}}', '{"file": "a.jpg"}'])
def test_a_uri_from_elsewhere_is_refused(uri: str):
    with pytest.raises(SampleError, match="its uri is not that of an image with points"):
        SOURCE.points(Video("a", "images", uri), 0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"points": "t.csv", "point_names": "faces_7"}, "point_names is 'faces_7': a list of names, or one of faces_5"),
        ({"only": {"split": "val"}}, "point_names and only are of a table of points"),
        ({"point_names": ["a"]}, "point_names and only are of a table of points"),
    ],
)
def test_options_that_say_nothing_are_refused(options: dict[str, object], said: str):
    with pytest.raises(ValueError, match=said):
        SOURCE.options(path="x", **options)


@pytest.mark.parametrize(
    ("name", "options", "pairs"),
    [
        ("faces_ytf68", {"only": {"split": "val"}}, 29),
        ("faces_aflw5", {"point_names": "faces_5"}, 2),
        ("animal_heads", {}, 2),
    ],
)
def test_tables_as_they_come_have_the_two_sides_of_faces(
    shared_data: Path, name: str, options: dict[str, object], pairs: int
):
    """Of the mean of many faces, the two of a pair are as high, one to the left and one to the right."""
    place = shared_data / name
    videos = SOURCE.videos(SOURCE.options(path=f"{place}/images/*", points=f"{place}/landmarks.csv", **options), WHERE)
    points = [SOURCE.points(video, 0) for video in videos[::10]]
    rows = np.stack([one.rows for one in points])
    seen = rows[..., 2].astype(bool)
    mean = np.stack([rows[seen[:, row], row].mean(axis=0) for row in range(rows.shape[1])])
    found = mirrored_pairs(points[0].names)
    assert len(found) == pairs
    left, right = mean[[pair[0] for pair in found]], mean[[pair[1] for pair in found]]
    width = points[0].size[1]
    assert (abs(left[:, 0] - right[:, 0]) < width / 15).all()
    apart = right[:, 1] - left[:, 1]
    assert (apart > 1).all() or (apart < -1).all(), "left is as seen, or the animal's own"
    unpaired = [row for row in range(len(mean)) if row not in {*sum(found, ())}]
    middle = (left[:, 1] + right[:, 1]).mean() / 2
    assert (abs(mean[unpaired, 1] - middle) < width / 15).all()


def test_what_no_file_can_hold_is_left_out_of_the_facts(folder: Path):
    """Half of a UTF-16 pair, which JSON may have in names and in values."""
    (folder / "points.jsonl").write_text(r'{"file": "cat", "x0": 1, "y0": 2, "k\ud800ind": "t\udfffame"}')
    videos = SOURCE.videos(SOURCE.options(path=f"{folder}/cat.jpg", points=f"{folder}/points.jsonl"), WHERE)
    assert videos[0].about == '{"k ind": "t ame"}'
