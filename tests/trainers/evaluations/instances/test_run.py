"""Instance segmentation end to end, on images of coloured shapes."""

import json

import numpy as np
import pytest

from common_fate.errors import UserError
from tests.support.boxed_shapes import shapes, write_coco, write_table
from tests.support.detectors import LEARNING, evaluate, losses
from trainers.evaluations.options import evaluation_options
from trainers.registry import EVALUATIONS

ALL = shapes(36)
TRAIN, VALIDATION = ALL[:28], ALL[28:]


@pytest.fixture
def coco(tmp_path):
    return {"kind": "coco", "path": str(write_coco(tmp_path / "coco", train2017=TRAIN, val2017=VALIDATION))}


@pytest.mark.slow
def test_fine_tuning_learns_to_outline_shapes(coco, tmp_path):
    to = tmp_path / "out/scratch.json"
    result = evaluate("instances", to, coco, training=LEARNING).result
    curve = losses(to)
    assert np.mean(curve[-10:]) < 0.6 * np.mean(curve[:3])
    names = ["mask mAP", "mask AP50", "mask AP75", "box mAP", "box AP50", "box AP75"]
    assert [row.metric for row in result.rows[:6]] == names
    assert [(row.metric, row.subset) for row in result.rows[6:]] == [
        (metric, name) for metric in ("mask AP", "box AP") for name in ("disk", "square")
    ]
    assert result.rows[1].value > 20, "AP50 of masks: anything anywhere would have about none"
    assert result.rows[4].value > 20
    assert result.pictures[0].size[0] > 500


def test_crowds_and_packed_runs_are_read(coco, tmp_path):
    path = tmp_path / "coco/annotations/instances_val2017.json"
    facts = json.loads(path.read_text())
    facts["annotations"][0]["iscrowd"] = 1
    path.write_text(json.dumps(facts))
    result = evaluate("instances", tmp_path / "a.json", coco, training={"iterations": 1}).result
    assert result.rows[0].samples == len(VALIDATION)


def test_boxes_alone_are_refused(coco, tmp_path):
    path = tmp_path / "coco/annotations/instances_train2017.json"
    facts = json.loads(path.read_text())
    del facts["annotations"][0]["segmentation"]
    path.write_text(json.dumps(facts))
    with pytest.raises(UserError, match=r"data\.path: train2017/0000\.png has boxes without masks"):
        evaluate("instances", tmp_path / "a.json", coco)
    table = {"kind": "table", "path": str(write_table(tmp_path / "table", ALL)), "hold_out": 0.3}
    with pytest.raises(UserError, match="has boxes without masks"):
        evaluate("instances", tmp_path / "a.json", table)


def test_the_recipe_is_the_papers():
    options = evaluation_options(EVALUATIONS["instances"], "resnet50", {"data": {"kind": "coco", "path": "a"}})
    assert (options.training.learning_rate, options.training.gamma) == (0.02, 0.1)
    epoch = 117_266 / 16  # images of COCO train2017 with an object, and images of a step
    epochs = options.training.iterations / epoch
    assert epochs == pytest.approx(16)
    assert [share * epochs for share in options.training.milestones] == pytest.approx([10, 15])
    with pytest.raises(ValueError, match="encoder is 'alexnet': should be one of resnet50, resnet34, resnet18"):
        evaluation_options(EVALUATIONS["instances"], "alexnet", {"data": {"kind": "coco", "path": "a"}})


def test_coco128s_polygons_for_a_few_steps(shared_data, tmp_path):
    data = {"kind": "yolo", "path": str(shared_data / "coco128"), "labels": "polygons", "hold_out": 0.1}
    data |= {"names": "semantic_segmentation_config.yaml", "background": False}
    result = evaluate("instances", tmp_path / "a.json", data, training={"iterations": 2}).result
    people = [row for row in result.rows if row.subset == "person"]
    assert len(people) == 2
    assert all(row.value is not None for row in people)
    assert "No object to train on is of unlabeled" in result.note
