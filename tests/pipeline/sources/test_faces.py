"""Each set of faces on a tiny tree of the shape that its archives have (docs/sources/points.md)."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from common_fate.datasets.catalog import Video
from common_fate.errors import SampleError, UserError
from pipeline.config.load import load
from pipeline.sources import SOURCES
from pipeline.sources.named_points import KNOWN_NAMES
from pipeline.sources.source import Frame, Points

WHERE = "config.yaml: datasets.x.source"
HEIGHT, WIDTH = 218, 178
CELEBA = """5
lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y
"""


def save(path: Path, exif: Image.Exif | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)).save(path, exif=exif or Image.Exif())


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def listed(kind: str, path: object, **options: object) -> list[Video]:
    source = SOURCES[kind]
    return source.videos(source.options(path=path, **options), WHERE)


def points_of(video: Video) -> Points:
    """The points of a video whose image and size are read as well."""
    source = SOURCES[video.kind]
    assert list(source.numbers(video)) == [0]
    [frame] = source.read(video, [0])
    assert isinstance(frame, Frame)
    assert source.state(video)[0] == video.bytes
    points = source.points(video, 0)
    assert points.size == frame.image.shape[:2]
    return points


def zipped(folder: Path, to: Path) -> str:
    with zipfile.ZipFile(to, "w") as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(file, str(file.relative_to(folder.parent)))
    return str(to)


@pytest.fixture
def celeba(tmp_path: Path) -> Path:
    names = [f"{number:06d}.jpg" for number in range(1, 6)]
    for name in names:
        save(tmp_path / "CelebA/Img/img_align_celeba" / name)
    places = "".join(f"{name}    69  109  106  113   77  142   73  152  10{n}  154\n" for n, name in enumerate(names))
    write(tmp_path / "CelebA/Anno/list_landmarks_align_celeba.txt", CELEBA + places)
    partitions = "".join(f"{name} {partition}\n" for name, partition in zip(names, "00012", strict=True))
    write(tmp_path / "CelebA/Eval/list_eval_partition.txt", partitions)
    write(tmp_path / "MAFL/training.txt", "000001.jpg\n")
    write(tmp_path / "MAFL/testing.txt", "000002.jpg\n")
    return tmp_path


@pytest.mark.parametrize(
    ("split", "numbers"),
    [
        ("train", [1, 2, 3]),
        ("val", [4]),
        ("test", [5]),
        ("all", [1, 2, 3, 4, 5]),
        ("mafl_train", [1]),
        ("mafl_test", [2]),
        ("train_without_mafl_test", [1, 3]),
    ],
)
def test_celeba_and_mafl(celeba: Path, split: str, numbers: list[int]):
    videos = listed("celeba", [str(celeba / "CelebA"), str(celeba / "MAFL")], split=split)
    assert [video.video for video in videos] == [f"{number:06d}" for number in numbers]
    assert videos == listed("celeba", [f"{celeba}/CelebA", f"{celeba}/MAFL"], split=split)
    points = points_of(videos[0])
    assert points.names == KNOWN_NAMES["faces_5"]
    places = [[109, 69], [113, 106], [142, 77], [152, 73], [154, 100 + numbers[0] - 1]]
    np.testing.assert_array_equal(points.rows, [[*place, 1] for place in places])


def test_celeba_from_its_zip_and_lists_as_csv(celeba: Path):
    """As Kaggle has them, all in one folder."""
    archive = zipped(celeba / "CelebA/Img/img_align_celeba", celeba / "img_align_celeba.zip")
    for name in ("Anno/list_landmarks_align_celeba", "Eval/list_eval_partition"):
        rows = [line.split() for line in (celeba / f"CelebA/{name}.txt").read_text().splitlines() if ".jpg" in line]
        header = ["image_id", *map(str, range(1, len(rows[0])))]
        write(celeba / f"kaggle/{Path(name).name}.csv", "".join(",".join(row) + "\n" for row in [header, *rows]))
    [video] = listed("celeba", [f"{celeba}/kaggle", archive], split="val")
    [unpacked] = listed("celeba", f"{celeba}", split="val")
    assert video.video == unpacked.video == "000004"
    np.testing.assert_array_equal(points_of(video).rows, points_of(unpacked).rows)


def test_celeba_without_a_part_says_which(celeba: Path):
    with pytest.raises(UserError, match=r"no MAFL/testing\.txt or testing\.txt there: name the folder that has it"):
        listed("celeba", str(celeba / "CelebA"))
    with pytest.raises(UserError, match=r"no img_align_celeba in '.*': name its folder or zip as well"):
        listed("celeba", str(celeba / "CelebA/Anno"))
    (celeba / "CelebA/Img/img_align_celeba/000003.jpg").unlink()
    with pytest.raises(UserError, match=r"names '000003\.jpg', which is not in Img/img_align_celeba"):
        listed("celeba", str(celeba / "CelebA"), split="train")
    write(celeba / "CelebA/Anno/list_landmarks_align_celeba.txt", CELEBA + "000004.jpg 1 2 3 4 5 6 7 8 9\n")
    with pytest.raises(UserError, match=r"celeba\.txt: '000004\.jpg' has no 5 points"):
        listed("celeba", str(celeba / "CelebA"), split="val")
    write(celeba / "CelebA/Anno/list_landmarks_align_celeba.txt", CELEBA + ("000004.jpg" + " 1" * 10 + "\n") * 2)
    with pytest.raises(UserError, match=r"celeba\.txt: '000004\.jpg' stands twice"):
        listed("celeba", str(celeba / "CelebA"), split="val")


def test_aflw_as_mtfl_has_it(tmp_path: Path):
    root = tmp_path / "MTFL"
    for name in ("lfw_5590/a_0001.jpg", "net_7876/b.jpg", "AFLW/0001-image20056.jpg"):
        save(root / name)
    write(
        root / "training.txt",
        " lfw_5590\\a_0001.jpg 10 20 30 40 50.5 1 2 3 4 5.5 1 2 2 3\n\nnet_7876\\b.jpg" + " 7" * 14,
    )
    write(root / "testing.txt", "AFLW\\0001-image20056.jpg" + " 8" * 14 + "\n")
    first, second = listed("aflw", str(tmp_path))
    assert (first.video, second.video) == ("lfw_5590__a_0001", "net_7876__b")
    points = points_of(first)
    assert points.names == KNOWN_NAMES["faces_5"]
    np.testing.assert_array_equal(points.rows, [[1, 10, 1], [2, 20, 1], [3, 30, 1], [4, 40, 1], [5.5, 50.5, 1]])
    [test] = listed("aflw", zipped(root, tmp_path / "MTFL.zip"), split="testing")
    assert points_of(test).rows.tolist() == [[8, 8, 1]] * 5
    assert len(listed("aflw", str(root), split="all")) == 3
    for text, said in (
        ("AFLW\\x.jpg" + " 8" * 14, r"testing\.txt names 'AFLW/x\.jpg', which is not in AFLW"),
        ("AFLW\\0001-image20056.jpg 1 2 3", r"testing\.txt: line 1 has no 5 points"),
        ("AFLW\\0001-image20056.jpg" + " x" * 10, r"line 1: 'x' is no coordinate in pixels"),
        (("AFLW\\0001-image20056.jpg" + " 8" * 14 + "\n") * 2, r"line 2: 'AFLW/0001-image20056\.jpg' stands twice"),
        ("..\\AFLW\\0001-image20056.jpg" + " 8" * 14, r"line 1: '\.\./AFLW/0001-image20056\.jpg' leads out of the"),
        (f"{root}/AFLW/0001-image20056.jpg" + " 8" * 14, r"line 1: .*leads out of the"),
        ("..\\..\\etc\\passwd" + " 8" * 14, r"line 1: '\.\./\.\./etc/passwd' leads out of the"),
    ):
        write(root / "testing.txt", text)
        with pytest.raises(UserError, match=said):
            listed("aflw", str(root), split="testing")


def pts(points: np.ndarray) -> str:
    lines = "".join(f"{x:.6f} {y:.6f}\n" for y, x in points)
    return f"version: 1\nn_points:  {len(points)}\n{{\n{lines}}}\n"


def test_300w(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    places = np.random.default_rng(0).uniform(1, 170, (68, 2)).round(3)
    for part in ("afw", "helen/trainset", "lfpw/trainset", "helen/testset", "lfpw/testset", "ibug"):
        save(tmp_path / f"{part}/face_1.{'png' if 'lfpw' in part else 'jpg'}")
        write(tmp_path / f"{part}/face_1.pts", pts(places))
    save(tmp_path / "afw/without.jpg")
    assert [video.video for video in listed("300w", str(tmp_path))] == [
        "afw__face_1",
        "helen__trainset__face_1",
        "lfpw__trainset__face_1",
    ]
    assert caplog.messages == [f"{WHERE}.path: left out 1 images that have no .pts beside them"]
    assert {split: len(listed("300w", str(tmp_path), split=split)) for split in ("test", "common", "all")} == {
        "test": 3,
        "common": 2,
        "all": 6,
    }
    [video] = listed("300w", zipped(tmp_path / "ibug", tmp_path / "ibug.zip"), split="challenging")
    points = points_of(video)
    assert points.names == KNOWN_NAMES["faces_68"]
    np.testing.assert_allclose(points.rows[:, :2], places - 1, rtol=1e-5)
    assert points.rows[:, 2].all()
    with pytest.raises(UserError, match=r"source\.split: no afw in '.*': unpack it there, or name its zip"):
        listed("300w", str(tmp_path / "ibug.zip"))


def test_300w_of_a_face_that_the_border_cuts_and_of_one_that_is_turned(tmp_path: Path):
    places = np.full((68, 2), 50.0)
    places[:10] = -7
    save(tmp_path / "ibug/a.jpg")
    write(tmp_path / "ibug/a.pts", pts(places))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    save(tmp_path / "ibug/b.jpg", exif)
    write(tmp_path / "ibug/b.pts", pts(places))
    save(tmp_path / "ibug/c.jpg")
    write(tmp_path / "ibug/c.pts", pts(places).replace("n_points:  68", "n_points:  69"))
    cut, turned, fewer = listed("300w", str(tmp_path), split="challenging")
    assert points_of(cut).rows[:, 2].sum() == 58
    with pytest.raises(SampleError, match="an EXIF tag that turns it, and nothing says whether its points"):
        SOURCES["300w"].points(turned, 0)
    with pytest.raises(SampleError, match="has 68, and says 69"):
        SOURCES["300w"].points(fewer, 0)


def test_points_that_changed_change_the_video(celeba: Path, tmp_path: Path):
    save(tmp_path / "ibug/a.jpg")
    write(tmp_path / "ibug/a.pts", pts(np.full((68, 2), 50.0)))
    [before] = listed("300w", str(tmp_path), split="challenging")
    write(tmp_path / "ibug/a.pts", pts(np.full((68, 2), 5.0)))
    [after] = listed("300w", str(tmp_path), split="challenging")
    assert before.bytes != after.bytes
    [before] = listed("celeba", str(celeba), split="val")
    table = celeba / "CelebA/Anno/list_landmarks_align_celeba.txt"
    write(table, table.read_text().replace("109", "110"))
    [after] = listed("celeba", str(celeba), split="val")
    assert SOURCES["celeba"].within(before) != SOURCES["celeba"].within(after)


@pytest.mark.parametrize(
    ("source", "columns"),
    [
        ({"kind": "celeba", "path": "x"}, ("frames", "landmarks")),
        ({"kind": "aflw", "path": "x"}, ("frames", "landmarks")),
        ({"kind": "300w", "path": "x"}, ("frames", "landmarks")),
        ({"kind": "images", "path": "x", "points": "t.csv"}, ("frames", "landmarks")),
        ({"kind": "images", "path": "x"}, ("frames",)),
    ],
)
def test_a_dataset_has_the_landmarks_that_its_source_has(source: dict[str, object], columns: tuple[str, ...]):
    assert load({"datasets": {"x": {"source": source}}})["x"].columns == columns
    viewed = load({"datasets": {"x": {"source": source, "views": ["objects"]}}})["x"]
    assert viewed.columns == ("frames", "landmarks")  # which may be empty
