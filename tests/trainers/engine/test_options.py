"""Options from plain values: nested, defaulted, and refused by their path."""

import json
from dataclasses import asdict

import pytest

from trainers.engine.options import TrainingOptions, build, merged
from trainers.methods.cmp.options import CMPOptions


def test_options_survive_json():
    options = build(CMPOptions, {"model": {"strides": [1, 2]}, "training": {"drops": [0.5], "device_batch": 16}})
    assert options.model.strides == (1, 2)
    assert build(CMPOptions, json.loads(json.dumps(asdict(options)))) == options


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modle": {}}, "modle is not an option: should be one of model, loss"),
        ({"model": {"encodre": "resnet18"}}, "model.encodre is not an option"),
        ({"model": {"encoder": "resnet19"}}, "model.encoder is 'resnet19': should be one of resnet50"),
        ({"model": {"decoder": "skip", "encoder": "alexnet"}}, "strides 2 and 4: alexnet has none"),
        ({"model": {"strides": [2, 1]}}, r"strides are \[2, 1\]: should be some of 1, 2, 4, 8, in this order"),
        ({"loss": {"bins": 98}}, "loss.bins is 98: odd"),
        ({"guidance": {"points": "some"}}, "guidance.points is 'some': should be watershed, column, random or none"),
        ({"training": {"device_batch": 7}}, "device_batch is 7: should divide batch_size, 160"),
        ({"training": {"iterations": 0}}, "training.iterations is 0: from 1 up"),
        ({"data": {"share": 0}}, "data.share is 0: a share"),
    ],
)
def test_what_cannot_be_is_refused_by_its_path(values, message):
    with pytest.raises(ValueError, match=message):
        build(CMPOptions, values)


def test_merging_goes_key_by_key():
    base = {"a": {"x": 1, "y": 2}, "b": 3}
    assert merged(base, {"a": {"y": 4}, "c": 5}) == {"a": {"x": 1, "y": 4}, "b": 3, "c": 5}
    assert base == {"a": {"x": 1, "y": 2}, "b": 3}


def test_a_batch_of_the_devices_share_is_the_default():
    assert TrainingOptions().device_batch is None
