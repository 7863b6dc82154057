"""Which parameters an optimizer has, and how fast each learns and decays."""

from typing import Any

import pytest
import torch
from torch import nn

from common_fate.errors import UserError
from trainers.engine.optimizers import create_optimizer, parameter_groups, set_rate
from trainers.engine.options import GroupOptions, TrainingOptions, build


class Toy(nn.Module):
    """A network of two parts, a parameter of the loss, and a frozen teacher."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.ModuleDict(
            {
                "encoder": nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)),
                "encoder2": nn.Conv2d(4, 4, 1),
            }
        )
        self.sigma = nn.Parameter(torch.ones(()))
        self.teacher = nn.Linear(2, 2).requires_grad_(False)


def groups(**options: Any) -> dict[str, tuple[float, float]]:
    """The factor and the decay of each parameter, by name."""
    task = Toy()
    names = {parameter: name for name, parameter in task.named_parameters()}
    made = parameter_groups(task, build(TrainingOptions, {"weight_decay": 0.5} | options))
    return {
        names[parameter]: (group["factor"], group["weight_decay"]) for group in made for parameter in group["params"]
    }


NORMS_AND_BIASES = {
    "net.encoder.0.bias",
    "net.encoder.1.weight",
    "net.encoder.1.bias",
    "net.encoder2.bias",
    "sigma",
}


def test_all_that_is_not_frozen_is_one_group_in_its_order():
    task = Toy()
    (group,) = parameter_groups(task, TrainingOptions())
    expected = [parameter for parameter in task.parameters() if parameter.requires_grad]
    assert list(map(id, group["params"])) == list(map(id, expected))
    assert set(groups().values()) == {(1.0, 0.5)}
    assert not [name for name in groups() if name.startswith("teacher")]


def test_norms_and_biases_may_be_left_from_decay():
    found = groups(decay_norms=False)
    assert {name for name, (_, decay) in found.items() if decay == 0} == NORMS_AND_BIASES
    assert {decay for name, (_, decay) in found.items() if name not in NORMS_AND_BIASES} == {0.5}


def test_the_longest_beginning_counts_and_it_ends_where_a_name_does():
    found = groups(groups={"encoder": {"learning_rate": 0.1}, "encoder.1": {"learning_rate": 2, "weight_decay": 0.25}})
    assert found["net.encoder.0.weight"] == (0.1, 0.5)
    assert found["net.encoder.1.weight"] == (2, 0.25)
    assert found["net.encoder2.weight"] == (1, 0.5)
    assert found["sigma"] == (1, 0.5)
    assert groups(groups={"sigma": {"weight_decay": 0}})["sigma"] == (1, 0)
    both = groups(decay_norms=False, groups={"encoder": {"weight_decay": 0.25}})
    assert (both["net.encoder.0.weight"], both["net.encoder.1.weight"]) == ((1, 0.25), (1, 0))


def test_a_beginning_that_no_name_has_is_refused():
    with pytest.raises(UserError, match=r"training\.groups\.enc: no parameter's name begins so: .* encoder, encoder2"):
        groups(groups={"enc": {}})


def test_nothing_to_train_is_refused():
    with pytest.raises(UserError, match="every parameter is frozen"):
        parameter_groups(Toy().requires_grad_(False), TrainingOptions())


def test_the_rate_of_a_group_is_its_factor_of_the_whole():
    task = Toy()
    optimizer = create_optimizer(task, TrainingOptions(groups={"encoder": GroupOptions(0.1)}), fused=False)
    set_rate(optimizer.param_groups, 0.5)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert rates[id(task.net["encoder"][0].weight)] == pytest.approx(0.05)
    assert rates[id(task.sigma)] == 0.5


@pytest.mark.parametrize(
    ("options", "kind", "expected"),
    [
        ({"momentum": 0.8}, torch.optim.SGD, {"momentum": 0.8, "nesterov": False, "dampening": 0}),
        ({"optimizer": "adam", "betas": [0.8, 0.9]}, torch.optim.Adam, {"betas": (0.8, 0.9), "amsgrad": False}),
        ({"optimizer": "adam", "amsgrad": True}, torch.optim.Adam, {"betas": (0.9, 0.999), "amsgrad": True}),
        ({"optimizer": "adamw", "amsgrad": True}, torch.optim.AdamW, {"amsgrad": True, "weight_decay": 0.5}),
    ],
)
def test_optimizers_are_torch_s(options: dict[str, Any], kind: type, expected: dict[str, Any]):
    optimizer = create_optimizer(Toy(), build(TrainingOptions, {"weight_decay": 0.5} | options), fused=False)
    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    assert {name: group[name] for name in expected} == expected
