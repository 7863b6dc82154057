import json
import subprocess
import sys
from dataclasses import asdict, fields

import pytest

from trainers.engine.options import build
from trainers.engine.schedules import learning_rates
from trainers.evaluations.options import evaluation_options
from trainers.evaluations.segmentation.evaluation import EVALUATION
from trainers.evaluations.segmentation.options import VOC_CLASSES, SegmentationData, SegmentationOptions


def options_of(encoder, values):
    return evaluation_options(EVALUATION, encoder, values)


FOLDER = {"kind": "folder", "images": "i", "masks": "m", "classes": ["sky", "road"], "hold_out": 0.2}


@pytest.mark.parametrize("encoder", ["alexnet", "resnet50", "resnet18", "vgg16"])
def test_options_survive_json(encoder):
    for data in ({"path": "VOC2012", "sbd": "sbd"}, FOLDER):
        options = options_of(encoder, {"data": data, "training": {"iterations": 7}})
        assert options.training.iterations == 7
        assert build(SegmentationOptions, json.loads(json.dumps(asdict(options)))) == options


def test_the_papers_recipes():
    alexnet = options_of("alexnet", {"data": {"path": "VOC2012"}}).training
    rates = [learning_rates(alexnet)(i) for i in (0, 29_999, 30_000, 47_999, 48_000, 59_999, 60_000, 65_999)]
    assert alexnet.iterations == 66_000
    assert rates == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])
    resnet = options_of("resnet50", {"data": {"path": "VOC2012"}})
    assert resnet.training.iterations == 33_000
    for i in (0, 1, 20_000, 32_999):
        assert learning_rates(resnet.training)(i) == pytest.approx(0.01 * (1 - i / 33_000) ** 0.9)
    assert resnet == SegmentationOptions(SegmentationData(path="VOC2012"))


def test_frozen_features_have_a_recipe_of_their_own():
    frozen = options_of("resnet50", {"data": FOLDER, "frozen": True, "training": {"accumulation": 2}})
    assert frozen == options_of(None, {"data": FOLDER, "frozen": True, "training": {"accumulation": 2}})
    rates = [learning_rates(frozen.training)(i) for i in (0, 9_999, 10_000, 14_999, 15_000, 19_999)]
    assert rates == pytest.approx([3e-2, 3e-2, 3e-3, 3e-3, 3e-4, 3e-4])
    training = frozen.training
    assert (training.iterations, training.batch_size, frozen.transforms.crop) == (20_000, 20, 384)
    assert (training.optimizer, training.momentum, training.weight_decay) == ("sgd", 0.9, 5e-4)


def test_what_is_measured_says_what_the_evaluation_needs():
    needs = {}
    for frozen in (False, True):
        options = options_of("resnet50", {"data": FOLDER, "frozen": frozen})
        needs[frozen] = EVALUATION.needs_for(options), EVALUATION.starts_for(options)
    assert needs == {False: ("encoder", ("encoder", "scratch")), True: ("features", ("model", "scratch"))}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stride": 4}, "stride is 4: has a meaning with frozen: true alone"),
        ({"frozen": True, "training": {"batch_size": 8, "accumulation": 8}}, "training.batch_size is 8: the head"),
    ],
)
def test_what_does_not_go_with_frozen_features_is_named(values, message):
    with pytest.raises(ValueError, match=message):
        options_of("resnet50", {"data": FOLDER, **values})


def test_voc_has_its_classes_and_a_folder_its_own():
    assert len(VOC_CLASSES) == 21
    assert VOC_CLASSES[15] == "person"
    assert SegmentationData(path="VOC2012").names == VOC_CLASSES
    assert build(SegmentationData, FOLDER).names == ("sky", "road")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"kind": "coco"}, "kind is 'coco'"),
        ({"kind": "voc"}, "path is missing"),
        (FOLDER | {"masks": ""}, "masks is missing"),
        (FOLDER | {"classes": ["road"]}, "classes has 1 names"),
        (FOLDER | {"ignore": [-1]}, r"ignore is \[-1\]"),
        (FOLDER | {"hold_out": 0}, "what validates"),
        (FOLDER | {"validation_list": "val.txt"}, "what validates"),
        (FOLDER | {"hold_out": 0, "validation_images": "v"}, "go together"),
        (FOLDER | {"hold_out": 1.5}, "hold_out is 1.5"),
        (FOLDER | {"class": []}, "class is not an option"),
    ],
)
def test_what_is_wrong_is_named(data, message):
    with pytest.raises(ValueError, match=message):
        options_of("resnet50", {"data": data})


def test_an_unknown_encoder_and_missing_data_are_named():
    with pytest.raises(ValueError, match="encoder is 'resnet'"):
        options_of("resnet", {"data": FOLDER})
    with pytest.raises(ValueError, match="data is missing"):
        options_of("resnet50", {})


def test_every_option_is_described():
    for options in (SegmentationOptions, SegmentationData):
        assert not [one.name for one in fields(options) if not one.metadata.get("help")]


def test_what_has_to_be_there_is_named_by_its_key():
    voc = options_of("resnet50", {"data": {"path": "VOC2012", "sbd": "sbd"}})
    assert EVALUATION.paths(voc) == {"data.path": "VOC2012", "data.sbd": "sbd"}
    listed = FOLDER | {"hold_out": 0, "validation_list": "val.txt"}
    folder = options_of("resnet50", {"data": listed})
    assert EVALUATION.paths(folder) == {"data.images": "i", "data.masks": "m", "data.validation_list": "val.txt"}


def test_a_data_set_is_called_what_its_folder_is_called():
    assert SegmentationData(path="/data/VOCdevkit/VOC2012").title == "VOC2012"
    assert build(SegmentationData, FOLDER | {"images": "/data/camvid/train"}).title == "camvid"
    assert build(SegmentationData, FOLDER).title == "images"
    assert build(SegmentationData, FOLDER | {"name": "mine"}).title == "mine"


def test_options_are_read_without_torch():
    code = "import sys, trainers.evaluations.segmentation.evaluation; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
