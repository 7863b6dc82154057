"""What an evaluation starts from."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from common_fate.errors import UserError
from trainers.data.split import Split
from trainers.engine.options import Machine
from trainers.evaluations import start
from trainers.evaluations.job import Job
from trainers.evaluations.start import load_start_features
from trainers.methods.cmp.method import METHOD as CMP
from trainers.methods.cmp.options import CMPOptions, ModelOptions
from trainers.methods.selflow.method import METHOD as SELFLOW
from trainers.methods.selflow.options import NetworkOptions, SelFlowOptions
from trainers.models import saving
from trainers.models.encoders import create_encoder, save_encoder
from trainers.models.saving import create_network, save_model

OPTIONS = CMPOptions(model=ModelOptions(encoder="resnet18"))
IMAGES = torch.rand(1, 3, 64, 48, generator=torch.Generator().manual_seed(0))


def job(weights: Path | None, method: str = "cmp") -> Job:
    return Job(
        experiment="mine",
        method=method,
        method_options=OPTIONS,
        start="model",
        weights=weights,
        options=None,
        views=(),
        side="all",
        validation_share=0,
        runs=Path("runs"),
        machine=Machine(),
    )


@pytest.fixture
def trained(tmp_path):
    net = create_network(CMP, OPTIONS).eval()
    save_model(tmp_path / "model.safetensors", net, CMP, OPTIONS, Split(0.1))
    return net, tmp_path / "model.safetensors"


def test_features_of_a_method_that_embeds_nothing_are_its_encoders(trained):
    net, path = trained
    with torch.no_grad():
        assert torch.equal(load_start_features(job(path), 0)(IMAGES), net.encoder(IMAGES)[8])
        assert torch.equal(load_start_features(job(path), 0, stride=4)(IMAGES), net.encoder(IMAGES)[4])


def test_features_of_an_embedding_are_what_it_embeds(trained, monkeypatch):
    def embed(net: nn.Module, images: Tensor) -> Tensor:
        return net.encoder(images)[2][:, :5]

    net, path = trained
    monkeypatch.setattr(type(net), "embed", embed, raising=False)
    embedding = dataclasses.replace(CMP, embeds=True)
    for module in (start, saving):
        monkeypatch.setitem(module.METHODS, "cmp", embedding)
    with torch.no_grad():
        for weights in (path, None):  # random ones are those that training starts from, which is what was saved here
            assert torch.equal(load_start_features(job(weights), 0)(IMAGES), net.encoder(IMAGES)[2][:, :5])
        assert load_start_features(job(path), 0, stride=8)(IMAGES).shape == (1, 512, 8, 6)


def test_features_of_a_checkpoint_from_elsewhere_and_random_ones(tmp_path):
    encoder = create_encoder("resnet18").eval()
    save_encoder(tmp_path / "theirs.safetensors", encoder)
    with torch.no_grad():
        assert torch.equal(load_start_features(job(tmp_path / "theirs.safetensors"), 0)(IMAGES), encoder(IMAGES)[8])
        first, second, other = (load_start_features(job(None), seed)(IMAGES) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_a_stride_that_there_is_not_and_a_network_without_an_encoder_are_refused(trained, tmp_path):
    with pytest.raises(UserError, match="resnet18 has no features at stride 3: should be one of 2, 4, 8"):
        load_start_features(job(trained[1]), 0, stride=3)
    options = SelFlowOptions(network=NetworkOptions(name="small", frames=2))
    save_model(tmp_path / "flow.safetensors", create_network(SELFLOW, options), SELFLOW, options, Split(0.1))
    with pytest.raises(UserError, match="has no image encoder"):
        load_start_features(job(tmp_path / "flow.safetensors"), 0)
