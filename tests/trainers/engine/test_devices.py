import logging

import pytest
import torch
from torch import nn

from trainers.engine.devices import start_fabric
from trainers.engine.options import Machine, TrainingOptions

MIXED = TrainingOptions(precision="bf16-mixed")


def with_capabilities(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(
        torch.cpu, "get_capabilities", lambda: {"avx2": True, "amx_bf16": False} | dict.fromkeys(names, True)
    )


@pytest.mark.parametrize("name", ["amx_bf16", "avx512_bf16", "bf16"])
def test_a_cpu_with_arithmetic_of_bf16_computes_with_it(monkeypatch: pytest.MonkeyPatch, name: str):
    with_capabilities(monkeypatch, name)
    assert start_fabric(MIXED, Machine()).strategy.precision.precision == "bf16-mixed"


def test_a_cpu_without_it_computes_in_32_bits_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    with_capabilities(monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert start_fabric(MIXED, Machine()).strategy.precision.precision == "32-true"
    assert "computes with 32-true" in caplog.text


def test_32_bits_are_what_is_asked_for(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    with_capabilities(monkeypatch)
    assert start_fabric(TrainingOptions(), Machine()).strategy.precision.precision == "32-true"
    assert not caplog.text


class Pointing(nn.Module):
    """A layer, and what places in a batch were when it saw them."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        self.dtype = self.layer(batch["places"]).dtype
        return batch


def test_mixed_precision_is_within_the_network_alone(monkeypatch: pytest.MonkeyPatch):
    """A box from pixel 255.3 on, which eight bits would have at 255."""
    with_capabilities(monkeypatch, "bf16")
    module = start_fabric(MIXED, Machine()).setup_module(Pointing())
    places = torch.tensor([[255.3, 1001.7]])
    assert torch.equal(module({"places": places})["places"], places)
    assert module.module.dtype == torch.bfloat16
