"""Annotation by its command, with a network that answers by colour, and what is refused before anything is trained."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from common_fate.errors import UserError
from tests.support.boxed_shapes import shapes, write_coco, write_image
from tests.support.coloured_net import ColouredNet, canvas, options
from trainers.cli import app
from trainers.evaluations.annotation.data import read
from trainers.evaluations.annotation.evaluation import EVALUATION
from trainers.evaluations.annotation.listing import check, list_images
from trainers.evaluations.annotation.options import AnnotationData, AnnotationOptions
from trainers.evaluations.options import evaluation_options
from trainers.evaluations.result import Result, read_result

RED, GREEN, BLUE = (220, 40, 40), (40, 200, 60), (60, 60, 240)


def save(folder: Path, name: str, image: np.ndarray, labels: np.ndarray) -> None:
    write_image(folder / "images" / f"{name}.png", image)
    (folder / "masks").mkdir(exist_ok=True)
    Image.fromarray(labels).save(folder / "masks" / f"{name}.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A disc with a hole; and an object of two colours beside one of two pieces of one colour. A speck is too small."""
    ring, two = canvas(), canvas()
    labels = [np.zeros((64, 80), np.uint8) for _ in range(2)]
    for picture, colour in ((ring, RED), (labels[0], 3)):
        cv2.circle(picture, (30, 30), 20, colour, -1)
    for picture, colour in ((ring, (40, 60, 80)), (labels[0], 0)):
        cv2.circle(picture, (30, 30), 8, colour, -1)
    ring[60:62, 70:72], labels[0][60:62, 70:72] = GREEN, 5
    two[4:30, 4:30], two[4:30, 30:40] = RED, GREEN
    labels[1][4:30, 4:40] = 1
    for columns in (slice(4, 24), slice(50, 74)):
        two[40:60, columns], labels[1][40:60, columns] = BLUE, 2
    labels[0][:, 76:] = 255
    ring[:, 77:] = RED  # moves with the ring, and does not count
    root = tmp_path / "made"
    save(root, "ring", ring, labels[0])
    save(root, "two", two, labels[1])
    return root


def options_of(data: dict[str, Any], **more: Any) -> AnnotationOptions:
    return evaluation_options(EVALUATION, None, {"data": data, **more})


def called(to: Path, data: dict[str, Any], **more: Any) -> Result:
    words = ["evaluate", "annotation", "--method", "cmp", "--method-options", '{"model": {"encoder": "resnet18"}}']
    words += ["--start", "scratch", "--options", json.dumps({"data": data, **more}), "--to", str(to)]
    outcome = CliRunner().invoke(app, [*words, "--threads", "1"])
    if outcome.exception:
        raise outcome.exception
    return read_result(to).result


@pytest.fixture
def by_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    where = "trainers.evaluations.annotation.run.load_start_model"
    monkeypatch.setattr(where, lambda job: (ColouredNet().eval(), options(crop=64)))


@pytest.mark.usefixtures("by_colour")
def test_a_network_that_tells_colours_apart_annotates_them(tmp_path: Path, folder: Path):
    result = called(tmp_path / "a.json", {"path": str(folder)}, clicks=[1, 2, 4], pictured=2)
    rows = {(row.subset, row.metric): row for row in result.rows}
    assert result.rows[0].dataset == "made"
    assert [row.metric for row in result.rows[:4]] == [
        *("IoU after 1 click", "IoU after 2 clicks", "IoU after 4 clicks", "failures")
    ]
    # Of three objects one has two colours, of which the first click is on the red one: 26 of its 36 columns.
    assert rows["", "IoU after 1 click"].value == pytest.approx(100 * (2 + 26 / 36) / 3)
    assert rows["", "IoU after 2 clicks"].value == 100
    assert rows["", "IoU after 4 clicks"].value == 100
    assert rows["", "failures"].value == 0
    assert set(rows["", "failures"].baselines) == {"GrabCut", "discs"}
    assert rows["in several pieces", "IoU after 1 click"].samples == 1
    assert rows["with holes", "IoU after 1 click"].value == 100
    assert {name: result.about[name] for name in ("images", "objects", "in_several_pieces", "with_holes")} == {
        **{"images": 2, "objects": 3, "in_several_pieces": 1, "with_holes": 1}
    }
    assert "Failures, an IoU below 50 % after the last click, of 3 objects: model 0, " in result.note
    assert [one.name for one in result.pictures] == ["objects"]
    assert result.pictures[0].size[0] > 1000
    again = called(tmp_path / "again/a.json", {"path": str(folder)}, clicks=[1, 2, 4], pictured=2)
    assert (again.rows, again.pictures) == (result.rows, result.pictures)


@pytest.mark.usefixtures("by_colour")
def test_pieces_may_be_objects_and_few_may_be_enough(tmp_path: Path, folder: Path):
    data = {"path": str(folder), "objects": "piece", "name": "parts"}
    result = called(tmp_path / "a.json", data, clicks=[3], instances=2, pictured=0)
    assert (result.about["objects"], result.about["measured"]) == (4, 2)
    assert {row.dataset for row in result.rows} == {"parts"}
    assert not result.pictures


def test_polygons_and_runs_are_read_as_masks(tmp_path: Path):
    images = shapes(6)
    write_coco(tmp_path / "coco", val2017=images)
    for one in images:
        write_image(tmp_path / "yolo/images" / f"{one.name}.png", one.image)
        (tmp_path / "yolo/labels").mkdir(exist_ok=True)
        lines = []
        for label, mask in zip(one.labels, one.masks, strict=True):
            (outline, *_), _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            corners = (outline.reshape(-1, 2) + 0.5) / 64
            lines.append(f"{label} {' '.join(f'{value:.5f}' for value in corners.ravel())}")
        (tmp_path / f"yolo/labels/{one.name}.txt").write_text("\n".join(lines))
    for kind, least in (("coco", 1.0), ("yolo", 0.7)):
        data = AnnotationData(kind=kind, path=str(tmp_path / kind))
        check(AnnotationOptions(data))
        tree, listed = list_images(data)
        assert [one.key for one in listed] == [one.name for one in images]
        for one, made in zip(listed, images, strict=True):
            objects = read(tree, one, data)
            np.testing.assert_array_equal(objects.picture, made.image)
            for mask, true in zip(objects.masks, made.masks, strict=True):
                assert (mask & true).sum() / (mask | true).sum() >= least


def test_an_archive_is_read_in_place(tmp_path: Path, folder: Path):
    archive = shutil.make_archive(str(tmp_path / "made"), "zip", tmp_path, "made")
    tree, (first, _) = list_images(AnnotationData(path=archive))
    assert len(read(tree, first, AnnotationData(path=archive)).masks) == 2


def without_mask(folder: Path) -> None:
    (folder / "masks/two.png").unlink()


def coloured_mask(folder: Path) -> None:
    Image.fromarray(np.zeros((64, 80, 3), np.uint8)).save(folder / "masks/two.png")


def small_mask(folder: Path) -> None:
    Image.fromarray(np.zeros((60, 80), np.uint8)).save(folder / "masks/two.png")


def torn_image(folder: Path) -> None:
    (folder / "images/two.png").write_bytes((folder / "images/two.png").read_bytes()[:60])


def second_image(folder: Path) -> None:
    (folder / "images/two.jpg").write_bytes((folder / "images/two.png").read_bytes())


def empty_masks(folder: Path) -> None:
    for name in ("ring", "two"):
        Image.fromarray(np.zeros((64, 80), np.uint8)).save(folder / f"masks/{name}.png")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_mask, "data.masks: images/two.png has no mask masks/two.png: add it, or remove the image"),
        (coloured_mask, "data: images/two.png: a mask of mode RGB"),
        (small_mask, "data: images/two.png: the mask masks/two.png of 80x60 beside a frame of 80x64"),
        (torn_image, "data: images/two.png: "),
        (second_image, "data.images: two images in images differ in no more than the extension: rename one"),
        (empty_masks, "data: on 2 images no object has 1.00% of its image: lower smallest, or check the masks"),
    ],
)
def test_data_that_will_not_do_are_named_before_anything_is_trained(tmp_path: Path, folder: Path, change, said: str):
    change(folder)
    with pytest.raises(UserError, match=f"^{re.escape(said)}"):
        check(options_of({"path": str(folder)}))
    with pytest.raises(UserError, match=f"^{re.escape(said)}"):
        called(tmp_path / "a.json", {"path": str(folder)})


def test_boxes_alone_are_no_masks(tmp_path: Path):
    (one,) = shapes(1)
    write_image(tmp_path / "set/images/a.png", one.image)
    (tmp_path / "set/labels").mkdir()
    (tmp_path / "set/labels/a.txt").write_text("0 0.5 0.5 0.25 0.25\n")
    with pytest.raises(UserError, match=r"^data\.path: images/a\.png has boxes without masks"):
        check(options_of({"kind": "yolo", "path": str(tmp_path / "set")}))
    (tmp_path / "set/annotations").mkdir()
    (tmp_path / "set/annotations/instances_other.json").write_text("{}")
    with pytest.raises(UserError, match=r"^data\.side: there is no annotations/instances_test\.json in data\.path"):
        check(options_of({"kind": "coco", "path": str(tmp_path / "set"), "side": "test"}))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"clicks": [3, 1]}, "clicks is [3, 1]: numbers of clicks from 1 up, ascending, each once"),
        ({"clicks": [0, 1]}, "clicks is [0, 1]: numbers"),
        ({"clicks": []}, "clicks is []: numbers"),
        ({"instances": 0}, "instances is 0: objects, from 1 up, or null"),
        ({"smallest": 1}, "smallest is 1.0: a share"),
        ({"failed_below": 0}, "failed_below is 0.0: above 0"),
        ({"data": {"path": "x", "kind": "voc"}}, "data.kind is 'voc': should be one of folder, yolo, coco"),
        ({"data": {"kind": "yolo"}}, "data.path is missing: where the data of kind yolo lie"),
    ],
)
def test_options_are_checked(values: dict[str, Any], said: str):
    with pytest.raises(ValueError, match=re.escape(said)):
        evaluation_options(EVALUATION, None, {"data": {"path": "x"}} | values)


def test_the_folder_has_to_be_there():
    assert EVALUATION.paths(options_of({"path": "nowhere"})) == {"data.path": "nowhere"}
    with pytest.raises(UserError, match=r"^data\.path 'nowhere': there is no such folder or archive"):
        check(options_of({"path": "nowhere"}))
