"""Options from plain values: nested, defaulted, and refused by their path."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any

import pytest

from trainers.data.split import Split
from trainers.engine.options import GroupOptions, TrainingOptions, TransformOptions, build, merged
from trainers.methods.cmp.options import CMPOptions


def test_options_survive_json():
    training = {"milestones": [0.5], "accumulation": 16, "groups": {"encoder": {"learning_rate": 0.1}}}
    options = build(CMPOptions, {"model": {"strides": [1, 2]}, "training": training})
    assert options.model.strides == (1, 2)
    assert options.training.groups == {"encoder": GroupOptions(0.1, None)}
    assert build(CMPOptions, json.loads(json.dumps(asdict(options)))) == options


def test_numbers_are_of_their_option_s_type():
    """So that options that mean the same are the same, and redo nothing."""
    options = build(TrainingOptions, {"iterations": 64.0, "learning_rate": 1, "betas": [0, 0.5], "clip_norm": 2})
    assert [repr(value) for value in (options.iterations, options.learning_rate, options.betas, options.clip_norm)] == [
        "64",
        "1.0",
        "(0.0, 0.5)",
        "2.0",
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modle": {}}, "modle is not an option: should be one of model, loss"),
        ({"model": {"encodre": "resnet18"}}, "model.encodre is not an option"),
        ({"model": {"encoder": "resnet19"}}, "model.encoder is 'resnet19': should be one of resnet50"),
        ({"model": {"decoder": "skip", "encoder": "alexnet"}}, "strides 2 and 4: alexnet has none"),
        ({"model": {"strides": [2, 1]}}, r"strides are \[2, 1\]: should be some of 1, 2, 4, 8, in this order"),
        ({"loss": {"bins": 98}}, "loss.bins is 98: odd"),
        ({"loss": {"bins": 8000001}}, "loss.bins is 8000001: odd, from 3 to 999"),
        ({"guidance": {"points": "some"}}, "guidance.points is 'some': should be watershed, column, random or none"),
        (
            {"transforms": {"area": [0.5, 0.2]}},
            r"transforms.area is \[0.5, 0.2\]: should be a smaller and a larger share",
        ),
        (
            {"transforms": {"aspect": [0.0, 1.0]}},
            r"transforms.aspect is \[0.0, 1.0\]: should be a smaller and a larger",
        ),
        ({"transforms": {"crop": 10**6}}, "transforms.crop is 1000000: pixels, from 16 to 8192"),
        ({"transforms": {"scale": [1]}}, r"transforms.scale is \[1\]: should be 2 values"),
        ({"training": {"accumulation": 7}}, "training.accumulation is 7: should divide batch_size, 160"),
        ({"training": {"iterations": 0}}, "training.iterations is 0: from 1 to 1,000,000,000"),
        ({"training": {"batch_size": 10**15}}, "training.batch_size is 1000000000000000: from 1 to 1,000,000,000"),
        ({"training": {"iterations": "many"}}, "training.iterations is 'many': should be a whole number"),
        ({"training": {"iterations": 0.5}}, "training.iterations is 0.5: should be a whole number"),
        ({"training": {"iterations": True}}, "training.iterations is True: should be a whole number"),
        ({"training": {"iterations": 10**30}}, "training.iterations is 10+: should be a whole number"),
        ({"training": {"learning_rate": "1e-4"}}, "training.learning_rate is '1e-4': .*: write 1.0e-4"),
        ({"training": {"learning_rate": float("nan")}}, "training.learning_rate is nan: should be a number"),
        ({"training": {"learning_rate": None}}, "training.learning_rate is None: should be a number"),
        ({"training": {"compile": 1}}, "training.compile is 1: should be true or false"),
        ({"training": {"optimizer": "lion"}}, "training.optimizer is 'lion': should be sgd, adam or adamw"),
        ({"training": {"optimizer": 3}}, "training.optimizer is 3: should be text"),
        ({"training": {"schedule": "steps"}}, "schedule is 'steps': should be multistep, polynomial, cosine or const"),
        ({"training": {"precision": "16"}}, "training.precision is '16': should be 32-true or bf16-mixed"),
        ({"training": {"milestones": [0.9, 0.5]}}, r"training.milestones are \[0.9, 0.5\]: .*one after the other"),
        ({"training": {"milestones": [0.5, 1]}}, "training.milestones are .*above 0 and below 1"),
        ({"training": {"milestones": 0.5}}, "training.milestones is 0.5: should be a list"),
        ({"training": {"milestones": [0.5, "x"]}}, r"training.milestones\[1\] is 'x': should be a number"),
        ({"training": {"warmup": 42_000}}, "training.warmup is 42000: from 0 to less than iterations, 42000"),
        ({"training": {"momentum": 1}}, "training.momentum is 1.0: from 0 to less than 1"),
        ({"training": {"betas": [0.9, 1.5]}}, r"training.betas is \(0.9, 1.5\): from 0 to less than 1"),
        ({"training": {"weight_decay": -1}}, "training.weight_decay is -1.0: from 0 up"),
        ({"training": {"gamma": 0}}, "training.gamma is 0.0: a factor"),
        ({"training": {"clip_norm": 0}}, "training.clip_norm is 0.0: above 0, or null"),
        ({"training": {"ema": 1}}, "training.ema is 1.0: a decay, above 0 and below 1, or null"),
        ({"training": {"seed": -1}}, "training.seed is -1: from 0 up"),
        ({"training": {"groups": ["encoder"]}}, r"training.groups is \['encoder'\]: should be a mapping"),
        ({"training": {"groups": {"encoder": 0.1}}}, "training.groups.encoder is 0.1: should be a mapping of options"),
        ({"training": {"groups": {"a": {"lr": 1}}}}, "training.groups.a.lr is not an option: should be one of learn"),
        ({"training": {"groups": {"a": {"learning_rate": -1}}}}, "groups.a.learning_rate is -1.0: a factor"),
        ({"training": [1]}, r"training is \[1\]: should be a mapping of options"),
        ([], r"is \[\]: should be a mapping of options"),
    ],
)
def test_what_cannot_be_is_refused_by_its_path(values: Any, message: str):
    with pytest.raises(ValueError, match=message):
        build(CMPOptions, values)


@pytest.mark.parametrize("values", [{"validation_share": 1}, {"train_share": 0}, {"validation_share": "half"}])
def test_shares_that_leave_nothing_are_refused(values: dict[str, Any]):
    with pytest.raises(ValueError, match=f"{next(iter(values))} is .*: "):
        build(Split, values)


@dataclass(frozen=True)
class Needing:
    path: str
    number: int = 1


def test_what_has_no_default_has_to_be_there():
    with pytest.raises(ValueError, match=r"^path is missing$"):
        build(Needing, {"number": 2})
    assert build(Needing, {"path": "x"}) == Needing("x")


def described(options: type[Any]) -> Mapping[str, bool]:
    """Whether each option, nested ones too, has a description."""
    found = {}
    for one in fields(options):
        nested = one.default_factory if is_dataclass(one.default_factory) else None
        found |= described(nested) if nested else {f"{options.__name__}.{one.name}": bool(one.metadata.get("help"))}
    return found


@pytest.mark.parametrize("options", [CMPOptions, TrainingOptions, TransformOptions, GroupOptions, Split])
def test_every_option_is_described(options: type[Any]):
    assert [name for name, has in described(options).items() if not has] == []


@dataclass(frozen=True)
class Method:
    training: TrainingOptions = field(default_factory=lambda: TrainingOptions(optimizer="adam", learning_rate=1e-4))
    transforms: TransformOptions | None = field(default_factory=lambda: TransformOptions(crop=64, flip=True))


def test_what_is_left_out_of_nested_options_is_the_method_s_own_default():
    options = build(Method, {"training": {"iterations": 3}, "transforms": {"jitter": 0.5}})
    assert options.training == TrainingOptions(optimizer="adam", learning_rate=1e-4, iterations=3)
    assert options.transforms == TransformOptions(crop=64, flip=True, jitter=0.5)
    assert build(Method, {"transforms": None}).transforms is None
    assert build(Method, {}) == Method()


def test_merging_goes_key_by_key():
    base = {"a": {"x": 1, "y": 2}, "b": 3}
    assert merged(base, {"a": {"y": 4}, "c": 5}) == {"a": {"x": 1, "y": 4}, "b": 3, "c": 5}
    assert base == {"a": {"x": 1, "y": 2}, "b": 3}
