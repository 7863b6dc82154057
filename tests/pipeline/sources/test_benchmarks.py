"""Each benchmark on a tiny tree of the shape that its archives have (docs/sources/benchmarks.md)."""

import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common_fate.datasets.catalog import Video
from common_fate.errors import UserError
from common_fate.foreign.flow_files import write_flo, write_kitti_png
from pipeline.config.load import load
from pipeline.sources import SOURCES
from pipeline.sources.coco import image_facts
from pipeline.sources.source import Frame

WHERE = "config.yaml: datasets.x.source"
HEIGHT, WIDTH = 6, 8


def save(path: Path, level: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), level, np.uint8)).save(
        path, path.suffix.upper().replace(".JPG", ".JPEG")[1:]
    )


def save_labels(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels.astype(np.uint8)).save(path)


def listed(kind: str, path: Path | list[str], **options: object) -> list[Video]:
    source = SOURCES[kind]
    return source.videos(source.options(path=str(path) if isinstance(path, Path) else path, **options), WHERE)


def levels(kind: str, video: Video) -> dict[int, int]:
    """The grey level of each frame by its number."""
    source = SOURCES[kind]
    assert source.state(video)[0] == video.bytes
    read = list(source.read(video, source.numbers(video)))
    assert all(isinstance(frame, Frame) for frame in read)
    return {frame.number: int(frame.image[0, 0, 0]) for frame in read if isinstance(frame, Frame)}


def zipped(folder: Path, to: Path, names: Iterable[str] = ("",)) -> str:
    with zipfile.ZipFile(to, "w") as archive:
        for file in sorted(folder.rglob("*")):
            name = str(file.relative_to(folder))
            if file.is_file() and name.startswith(tuple(names)):
                archive.write(file, name)
    return str(to)


def flow_field() -> np.ndarray:
    return np.random.default_rng(0).integers(-300, 300, (2, HEIGHT, WIDTH)).astype(np.float32) / 64


@pytest.mark.parametrize("packed", [False, True])
def test_sintel(tmp_path: Path, packed: bool):
    root = tmp_path / "MPI-Sintel-complete"
    for number in (1, 2, 3):
        save(root / f"training/clean/alley_1/frame_{number:04d}.png", number)
        save(root / f"test/clean/cave_3/frame_{number:04d}.png", number)
    flow, hidden, unknown = flow_field(), np.eye(HEIGHT, WIDTH), np.fliplr(np.eye(HEIGHT, WIDTH))
    (root / "training/flow/alley_1").mkdir(parents=True)
    write_flo(root / "training/flow/alley_1/frame_0001.flo", flow)
    save_labels(root / "training/occlusions/alley_1/frame_0001.png", hidden * 255)
    save_labels(root / "training/invalid/alley_1/frame_0001.png", unknown * 255)
    path = Path(zipped(tmp_path, tmp_path / "complete.zip", ["MPI"])) if packed else root
    [video] = listed("sintel", path, rendering="clean")
    assert video.video == "alley_1"
    assert levels("sintel", video) == {1: 1, 2: 2, 3: 3}
    truth = SOURCES["sintel"].truth(video, 1, 2)
    np.testing.assert_array_equal(truth.valid, unknown == 0)
    np.testing.assert_array_equal(truth.occlusion, hidden > 0)
    np.testing.assert_array_equal(truth.flow, np.where(unknown, 0, flow))
    assert SOURCES["sintel"].truth(video, 1, 3) is None  # it leads to the frame after, and no further
    assert SOURCES["sintel"].truth(video, 2, 3) is None  # no file
    [test] = listed("sintel", path, rendering="clean", split="test")
    assert test.video == "cave_3"
    with pytest.raises(UserError, match=r"no training/final in '.*': is this MPI-Sintel as unpacked\?$"):
        listed("sintel", path)


@pytest.mark.parametrize(("year", "camera", "views"), [(2015, "image_2", "image_2"), (2012, "colored_0", "image_0")])
def test_kitti_with_its_multi_view_extension(tmp_path: Path, year: int, camera: str, views: str):
    """Flow and frames lie in different archives, which here are one a folder and one a zip."""
    flow, known, seen = flow_field(), np.ones((HEIGHT, WIDTH), bool), np.eye(HEIGHT, WIDTH, dtype=bool)
    for scene in ("000000", "000001"):
        for number in (10, 11):
            save(tmp_path / f"flow/training/{camera}/{scene}_{number}.png", 50 + number)
        for number in range(21):
            save(tmp_path / f"views/training/{views}/{scene}_{number:02d}.png", 50 + number)
        for kind, valid in (("flow_occ", known), ("flow_noc", seen)):
            (tmp_path / f"flow/training/{kind}").mkdir(exist_ok=True)
            write_kitti_png(tmp_path / f"flow/training/{kind}/{scene}_10.png", flow, valid)
    paths = [str(tmp_path / "flow"), zipped(tmp_path / "views", tmp_path / "views.zip")]
    videos = listed("kitti", paths, year=year)
    assert [video.video for video in videos] == ["000000", "000001"]
    assert levels("kitti", videos[1]) == {number: 50 + number for number in range(21)}
    truth = SOURCES["kitti"].truth(videos[1], 10, 11)
    np.testing.assert_array_equal(truth.flow, flow)
    np.testing.assert_array_equal(truth.valid, known)
    np.testing.assert_array_equal(truth.occlusion, ~seen)
    assert SOURCES["kitti"].truth(videos[1], 9, 10) is None
    [first, _] = listed("kitti", tmp_path / "flow", year=year)
    assert list(SOURCES["kitti"].numbers(first)) == [10, 11]


@pytest.mark.parametrize("top", ["", "VOC2012", "VOCdevkit/VOC2012"])
def test_voc(tmp_path: Path, top: str):
    root = tmp_path / "VOCdevkit/VOC2012"
    for level, name in enumerate(("2007_000027", "2007_000032", "2007_000033")):
        save(root / f"JPEGImages/{name}.jpg", level * 50)
    classes = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 21
    classes[0] = 255
    save_labels(root / "SegmentationClass/2007_000032.png", classes)
    for name, lines in (("Main/trainval", "2007_000027\n2007_000032\n"), ("Segmentation/val", "2007_000032\n")):
        (root / f"ImageSets/{name}.txt").parent.mkdir(parents=True, exist_ok=True)
        (root / f"ImageSets/{name}.txt").write_text(lines)
    path = tmp_path / "VOCdevkit/VOC2012".removesuffix(top).rstrip("/")
    one, two = listed("voc", path)
    assert [one.video, two.video] == ["2007_000027", "2007_000032"]
    assert levels("voc", two) == {0: 50}
    assert SOURCES["voc"].masks(one, 0) is None
    np.testing.assert_array_equal(SOURCES["voc"].masks(two, 0), classes)
    assert [video.video for video in listed("voc", path, set="Segmentation/val")] == ["2007_000032"]
    with pytest.raises(UserError, match=r"source\.set: no ImageSets/Main/no\.txt in"):
        listed("voc", path, set="Main/no")


COCO = {
    "info": {"year": 2017},
    "categories": [{"id": 1}],
    "annotations": [{"segmentation": [[1.5, 2, 3]]}],
    "licenses": [{"id": 5, "name": "Attribution-ShareAlike License", "url": "http://a.org/by-sa/2.0/"}],
    "images": [{"file_name": "000000000009.jpg", "license": 5, "flickr_url": "http://f.com/9_z.jpg", "id": 9}],
}


def test_coco_with_the_licence_of_each_image(tmp_path: Path):
    for number in (9, 25):
        save(tmp_path / f"train2017/{number:012d}.jpg", number)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/instances_train2017.json").write_text(json.dumps(COCO))
    paths = [zipped(tmp_path, tmp_path / f"{name}.zip", [name]) for name in ("train2017", "annotations")]
    known, other = listed("coco", paths, annotations="annotations/instances_train2017.json", license="see COCO")
    assert (known.video, known.license, known.about) == (
        *("000000000009", "http://a.org/by-sa/2.0/"),
        '{"page": "http://f.com/9_z.jpg"}',
    )
    assert (other.license, other.about) == ("see COCO", None)
    assert levels("coco", other) == {0: 25}
    assert [video.video for video in listed("coco", tmp_path)] == [known.video, other.video]
    with pytest.raises(UserError, match=r"source\.annotations: no annotations/no\.json in"):
        listed("coco", paths, annotations="annotations/no.json")


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_annotations_are_read_piece_by_piece(chunk: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pipeline.sources.coco._CHUNK", chunk)
    [facts] = image_facts(io.BytesIO(json.dumps(COCO, indent=1).encode())).values()
    assert facts.license == "http://a.org/by-sa/2.0/"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"images": [',
        '{"images": [{}], 1}',
        "[" * 100_000,
        "{[1]: 2}",
        '{"licenses": [{"id": [1]}]}',
        '{"a": ' + "[" * 100_000,
    ],
)
def test_annotations_that_are_none_are_refused(text: str):
    with pytest.raises(ValueError, match=r"."):
        image_facts(io.BytesIO(text.encode()))


def test_coco_images_as_they_come(shared_data: Path, tmp_path: Path):
    """Real images and annotations, laid out as their archives have them."""
    real = shared_data / "segmentation" / "coco"
    (tmp_path / "val2017").symlink_to(real, target_is_directory=True)
    (tmp_path / "annotations").symlink_to(real, target_is_directory=True)
    videos = listed("coco", tmp_path, split="val2017", annotations="annotations/instances.json")
    assert len(videos) == 6
    assert {video.license for video in videos} <= {
        f"http://creativecommons.org/licenses/{kind}/2.0/" for kind in ("by", "by-sa", "by-nc", "by-nc-sa", "by-nc-nd")
    }


def test_imagenet(tmp_path: Path):
    root = tmp_path / "ILSVRC/Data/CLS-LOC"
    save(root / "train/n01440764/n01440764_18.JPEG", 18)
    save(root / "train/n01443537/n01443537_2.JPEG", 2)
    save(root / "val/ILSVRC2012_val_00000001.JPEG", 1)
    first, second = listed("imagenet", tmp_path)
    assert [first.video, second.video] == ["n01440764__n01440764_18", "n01443537__n01443537_2"]
    assert levels("imagenet", first) == {0: 18}
    assert [v.video for v in listed("imagenet", root / "train")] == [first.video, second.video]  # a folder of synsets
    assert [v.video for v in listed("imagenet", tmp_path, synsets=["n01443537"])] == [second.video]
    assert [v.video for v in listed("imagenet", root, split="val")] == ["ILSVRC2012_val_00000001"]
    with pytest.raises(UserError, match=r"synsets: the list names 'n00000001', which is not in train"):
        listed("imagenet", tmp_path, synsets=["n00000001"])


def test_vip(tmp_path: Path):
    fine, parts = tmp_path / "VIP_Fine", np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 20
    for video in ("videos1", "videos2"):
        for number in (1, 26):
            save(fine / f"Images/{video}/{number:012d}.jpg", number)
        save_labels(fine / f"Annotations/Category_ids/{video}/{1:012d}.png", parts)
        for number in (25, 26, 27):
            save(tmp_path / f"VIP_Sequence/adjacent_frames/{video}/{26:012d}/{number:012d}.jpg", number)
    (fine / "lists").mkdir()
    (fine / "lists/val_videos.txt").write_text("videos2\n")
    (fine / "lists/train_id.txt").write_text("videos1/000000000001\nvideos1/000000000026\n")
    [video] = listed("vip", tmp_path, split="val")
    assert video.video == "videos2"
    assert levels("vip", video) == {1: 1, 26: 26}
    np.testing.assert_array_equal(SOURCES["vip"].masks(video, 1), parts)
    assert SOURCES["vip"].masks(video, 26) is None
    assert [v.video for v in listed("vip", fine, split="train")] == ["videos1"]
    both = listed("vip", [str(fine), str(tmp_path / "VIP_Sequence")], split="val", frames="adjacent_frames")
    assert [v.video for v in both] == ["videos2__000000000026"]
    assert levels("vip", both[0]) == {25: 25, 26: 26, 27: 27}


def test_mpii(tmp_path: Path):
    for batch, clip in ((1, "037454012"), (2, "095071431")):
        for number in (1, 2):
            save(tmp_path / f"mpii_human_pose_v1_sequences_batch{batch}/{clip}/{number:08d}.jpg", number)
    every = [listed("mpii", tmp_path), listed("mpii", [f"{tmp_path}/mpii_human_pose_v1_sequences_batch*"])]
    assert [[video.video for video in videos] for videos in every] == [["037454012", "095071431"]] * 2
    assert levels("mpii", every[1][1]) == {1: 1, 2: 2}
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"source\.path: no frames in '.*': is this mpii as unpacked\?"):
        listed("mpii", tmp_path / "empty")


def test_a_folder_that_is_gone_since_the_listing_says_so(tmp_path: Path):
    save(tmp_path / "a/037454012/00000001.jpg")
    [video] = listed("mpii", tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    assert SOURCES["mpii"].state(video) == (0, 0)


@pytest.mark.parametrize(
    ("source", "columns"),
    [
        ({"kind": "sintel"}, ("frames", "flow", "guidance", "truth")),
        ({"kind": "sintel", "split": "test"}, ("frames", "flow", "guidance")),
        ({"kind": "kitti"}, ("frames", "flow", "guidance", "truth")),
        ({"kind": "davis"}, ("frames", "flow", "guidance", "masks")),
        ({"kind": "davis", "masks": None}, ("frames", "flow", "guidance")),
        ({"kind": "voc"}, ("frames", "masks")),
        ({"kind": "coco"}, ("frames",)),
        ({"kind": "imagenet", "synsets": ["n01440764"]}, ("frames",)),
        ({"kind": "mpii"}, ("frames", "flow", "guidance")),
    ],
)
def test_a_dataset_has_the_truth_and_the_masks_that_its_source_has(source: dict[str, object], columns: tuple[str, ...]):
    assert load({"datasets": {"x": {"source": {"path": "x", **source}}}})["x"].columns == columns
