"""Detection end to end, on images of coloured shapes."""

import dataclasses
import os

import numpy as np
import pytest
import torch

from common_fate.errors import UserError
from tests.support.boxed_shapes import Shaped, shapes, write_annotation, write_coco, write_image, write_table, write_voc
from tests.support.detectors import LEARNING, evaluate, losses, runs
from trainers.engine import loop
from trainers.evaluations.boxed_images.listing import list_images
from trainers.evaluations.boxed_images.options import BoxedData
from trainers.evaluations.detection.evaluation import RECIPES
from trainers.evaluations.options import evaluation_options
from trainers.models.encoders import create_encoder, save_encoder
from trainers.registry import EVALUATIONS, METHODS

ALL = shapes(36)
TRAIN, VALIDATION = ALL[:28], ALL[28:]


@pytest.fixture
def coco(tmp_path):
    return {"kind": "coco", "path": str(write_coco(tmp_path / "coco", train2017=TRAIN, val2017=VALIDATION))}


@pytest.fixture
def few(tmp_path):
    return {"kind": "coco", "path": str(write_coco(tmp_path / "few", train2017=TRAIN[:6], val2017=VALIDATION[:2]))}


@pytest.mark.slow
def test_fine_tuning_learns_to_find_shapes(coco, tmp_path):
    to = tmp_path / "out/scratch.json"
    result = evaluate("detection", to, coco, training=LEARNING).result
    curve = losses(to)
    assert np.mean(curve[-10:]) < 0.6 * np.mean(curve[:3])
    mean, *rest = result.rows
    assert [row.metric for row in result.rows[:4]] == ["COCO mAP", "COCO AP50", "COCO AP75", "VOC07 mAP"]
    assert [row.subset for row in rest[3:]] == ["disk", "square"]
    assert mean.value == pytest.approx(np.mean([row.value for row in rest[3:]]))
    assert mean.samples == len(VALIDATION)
    assert rest[0].value > 20, "AP50: boxes anywhere would have about none"
    assert rest[2].value > 20
    assert result.about == {"iterations": LEARNING["iterations"], "images": len(TRAIN)}
    (picture,) = result.pictures
    assert picture.size[0] > 500
    assert "Of the data" not in result.note
    assert evaluate("detection", to, coco, training=LEARNING).result == result, "from the checkpoint alone"


@pytest.mark.slow
def test_alexnet_learns_on_selective_search(few, tmp_path):
    to = tmp_path / "out/scratch.json"
    training = {"iterations": 6, "batch_size": 2, "learning_rate": 3e-4}
    result = evaluate("detection", to, few, encoder="alexnet", training=training, pictured=0).result
    assert result.rows[0].value is not None
    curve = losses(to)
    assert curve[-1] < curve[0]
    found = list((to.parent / "runs/proposals").iterdir())
    assert len(found) == 8, "each image was searched once"


def test_a_killed_run_goes_on_exactly(few, tmp_path, monkeypatch):
    training = {"iterations": 4, "checkpoint_every": 2, "batch_size": 2}
    how = {"training": training, "sizes": [48, 64, 80], "pictured": 0}
    whole = evaluate("detection", tmp_path / "whole/scratch.json", few, **how).result
    write = loop.write_checkpoint

    def killed(run, state):
        write(run, state)
        raise RuntimeError("killed")

    monkeypatch.setattr(loop, "write_checkpoint", killed)
    with pytest.raises(RuntimeError, match="killed"):
        evaluate("detection", tmp_path / "killed/scratch.json", few, **how)
    monkeypatch.undo()
    (run,) = runs(tmp_path / "killed/scratch.json")
    assert loop.read_checkpoint(run)["iteration"] == 2
    again = evaluate("detection", tmp_path / "killed/scratch.json", few, **how).result
    for mine, theirs in zip(*(losses(tmp_path / name / "scratch.json") for name in ("killed", "whole")), strict=True):
        assert mine == theirs
    assert again.rows == whole.rows


def test_each_start_has_its_own_run_and_the_same_head(few, tmp_path):
    torch.manual_seed(3)
    encoder = create_encoder("resnet18")
    save_encoder(tmp_path / "encoder.safetensors", encoder)
    torch.save({"fc.weight": torch.zeros(2, 512), **encoder.state_dict()}, tmp_path / "published.pth")
    starts = {
        "scratch": ("--start", "scratch"),
        "encoder": ("--weights", str(tmp_path / "encoder.safetensors")),
        "published": ("--start", str(tmp_path / "published.pth")),
    }
    how = {
        "training": {"iterations": 1, "batch_size": 2, "learning_rate": 0.0, "weight_decay": 0.0, "warmup": 0},
        "pictured": 0,
    }
    results = {
        name: evaluate("detection", tmp_path / f"out/{name}.json", few, *words, **how) for name, words in starts.items()
    }
    assert [result.start for result in results.values()] == list(starts)
    assert len(runs(tmp_path / "out/a.json")) == 3
    states = [loop.read_checkpoint(run)["task"] for run in runs(tmp_path / "out/a.json")]
    head = "net.roi_heads.box_predictor.cls_score.weight"
    assert all(torch.equal(state[head], states[0][head]) for state in states)
    name = "backbone.encoder.layer4.0.conv1.weight"
    same = [torch.equal(state[f"net.{name}"], encoder.state_dict()["layer4.0.conv1.weight"]) for state in states]
    assert sorted(same) == [False, True, True], "from the start's weights, and not from scratch's"
    moved = [not torch.equal(state["net.backbone.encoder.bn1.running_mean"], torch.zeros(64)) for state in states]
    assert sorted(moved) == [False, False, True], "from weights, normalisations are frozen"
    assert results["encoder"].result.pictures == ()


def test_voc_is_measured_as_in_2007(tmp_path):
    root = write_voc(tmp_path / "VOC2007", trainval=TRAIN[:6], test=VALIDATION[:4])
    objects = [("cat", [1, 2, 90, 90], 0), ("dog", [70, 70, 80, 90], 0), ("bird", [3, 3, 30, 30], 1)]
    write_annotation(root, TRAIN[0].name, (64, 64), objects)
    (root / f"JPEGImages/{TRAIN[1].name}.jpg").write_bytes(b"\xff\xd8")
    write_annotation(root, VALIDATION[0].name, (64, 64), [])
    result = evaluate("detection", tmp_path / "a.json", {"path": str(root)}, training={"iterations": 1}).result
    assert result.rows[0].metric == "VOC07 mAP"
    assert len([row for row in result.rows if row.metric == "VOC07 AP"]) == 20
    birds = next(row for row in result.rows if row.subset == "bird")
    assert birds.value is None
    assert result.rows[0].samples == 4, "an image without an object is measured, too"
    for said in (
        "No object to train on is of aeroplane, bicycle, bird, boat, bottle, bus, car, chair and 10 more.",
        f" Of the data to train on: 1 images cannot be read and are left out: {TRAIN[1].name} (",
        "1 boxes reached beyond their images and are clipped, ",
        f"1 boxes have no width or height on their images and are left out, on {TRAIN[0].name}, ",
        "1 difficult objects do not count.",
        " Of the data to validate on: 1 images have no object that counts.",
    ):
        assert said in result.note


def test_images_without_an_object_are_trained_on_where_asked(tmp_path):
    root = write_table(tmp_path / "set", ALL[:20])
    with (root / "labels.csv").open("a") as file:
        for number in range(6):
            write_image(root / f"images/empty{number}.png", ALL[0].image)
            file.write(f"empty{number}.png,,,,,\n")
    data = {"kind": "table", "path": str(root), "hold_out": 0.3}
    empty = sum(not len(one.labels) for one in list_images(BoxedData(**data)).train)
    assert empty > 0
    counts = [
        evaluate("detection", tmp_path / f"{also}.json", data | {"negatives": also}, training={"iterations": 1})
        for also in (False, True)
    ]
    assert counts[1].result.about["images"] == counts[0].result.about["images"] + empty


def test_images_of_several_sizes_make_a_batch(tmp_path):
    wide = [dataclasses.replace(one, name=f"wide{one.name}", image=np.hstack([one.image] * 2)) for one in TRAIN[:3]]
    wide = [Shaped(one.name, one.image, (np.hstack([one.masks[0], one.masks[0] * 0]),), one.labels[:1]) for one in wide]
    root = write_coco(tmp_path / "coco", train2017=[*wide, *TRAIN[3:6]], val2017=[*VALIDATION[:2]])
    data = {"kind": "coco", "path": str(root)}
    result = evaluate("detection", tmp_path / "a.json", data, training={"iterations": 2, "batch_size": 6}).result
    assert result.about["images"] == 6


def test_what_cannot_be_trained_is_refused(coco, tmp_path):
    with pytest.raises(UserError, match=r"there are 28 samples to train on"):
        evaluate("detection", tmp_path / "a.json", coco, training={"batch_size": 32, "iterations": 5})
    with pytest.raises(UserError, match=r"data\.train: there is no annotations/instances_nowhere\.json"):
        evaluate("detection", tmp_path / "a.json", coco | {"train": "nowhere"})
    with pytest.raises(UserError, match=r"--options: anchors is \[8\]: should be 5 sides"):
        evaluate("detection", tmp_path / "a.json", coco, anchors=[8])
    for one in VALIDATION:
        os.truncate(tmp_path / f"coco/val2017/{one.name}.png", 50)
    with pytest.raises(UserError, match=r"data\.path: none of 8 images can be read"):
        evaluate("detection", tmp_path / "a.json", coco)


@pytest.mark.parametrize("encoder", RECIPES)
def test_every_encoder_has_a_recipe(encoder):
    options = evaluation_options(EVALUATIONS["detection"], encoder, {"data": {"path": "a"}})
    assert options.training.batch_size == (16 if encoder.startswith("resnet") else 2)
    assert options.size in (options.sizes[-1], 600)
    with pytest.raises(ValueError, match="encoder is 'other': should be one of"):
        evaluation_options(EVALUATIONS["detection"], "other", {"data": {"path": "a"}})
    assert METHODS["cmp"].encoder


def test_tiny_imagenets_boxes_for_a_few_steps(shared_data, tmp_path):
    (tmp_path / "some").mkdir()
    lines = (shared_data / "tiny_imagenet10/labels.csv").read_text().splitlines()
    (tmp_path / "some/labels.csv").write_text("\n".join([lines[0], *lines[1::50]]) + "\n")
    (tmp_path / "some/images").symlink_to(shared_data / "tiny_imagenet10/images")
    data = {"kind": "table", "path": str(tmp_path / "some"), "hold_out": 0.3}
    result = evaluate("detection", tmp_path / "a.json", data, training={"iterations": 3}).result
    assert len([row for row in result.rows if row.metric == "COCO AP"]) == 10


def test_coco128s_boxes_for_a_few_steps(shared_data, tmp_path):
    data = {"kind": "yolo", "path": str(shared_data / "coco128"), "labels": "boxes", "hold_out": 0.1}
    data |= {"names": "object_detection_config.yaml"}
    result = evaluate("detection", tmp_path / "a.json", data, training={"iterations": 2}).result
    assert len([row for row in result.rows if row.metric == "COCO AP"]) == 80
