import os
import pickle
import re

import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import nn

from common_fate.errors import UserError
from trainers.models.encoders import create_encoder, load_encoder, save_encoder


@pytest.fixture(scope="module")
def resnet18():
    return create_encoder("resnet18")


def same(encoder, weights) -> bool:
    own = encoder.state_dict()
    return all(torch.equal(own[name], weights[name]) for name in own)


def test_an_encoder_comes_back_as_it_was_saved(resnet18, tmp_path):
    path = tmp_path / "encoder.safetensors"
    save_encoder(path, resnet18)
    loaded = load_encoder(path, "resnet18")
    assert same(loaded, resnet18.state_dict())
    assert not loaded.training


def test_resnet50_loads_strictly_into_torchvisions_and_timms(tmp_path):
    path = tmp_path / "encoder.safetensors"
    encoder = create_encoder("resnet50")
    save_encoder(path, encoder)
    theirs = torchvision.models.resnet50(weights=None)
    theirs.fc = nn.Identity()
    theirs.load_state_dict(load_file(path), strict=True)
    timms = timm.create_model("resnet50", num_classes=0, pretrained=False)
    timms.load_state_dict(load_file(path), strict=True)
    assert same(encoder, theirs.state_dict())
    assert same(encoder, timms.state_dict())


@pytest.mark.parametrize("name", ["resnet18", "vgg16"])
def test_the_others_load_strictly_into_torchvisions(name, tmp_path):
    path = tmp_path / "encoder.safetensors"
    encoder = create_encoder(name)
    save_encoder(path, encoder)
    theirs = torchvision.models.resnet18(weights=None) if name == "resnet18" else torchvision.models.vgg16_bn()
    setattr(theirs, "fc" if name == "resnet18" else "classifier", nn.Identity())
    theirs.load_state_dict(load_file(path), strict=True)
    assert same(encoder, theirs.state_dict())


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_foreign_weights_load_without_their_classifier(library, suffix, tmp_path):
    net = torchvision.models.resnet18() if library == "torchvision" else timm.create_model("resnet18")
    path = tmp_path / f"resnet18.{suffix}"
    (torch.save if suffix == "pth" else save_file)(net.state_dict(), path)
    assert same(load_encoder(path, "resnet18"), net.state_dict())


def test_old_weights_without_counts_of_batches_load(resnet18, tmp_path):
    weights = {name: value for name, value in resnet18.state_dict().items() if "num_batches" not in name}
    torch.save(weights, tmp_path / "old.pth")
    assert same(load_encoder(tmp_path / "old.pth", "resnet18"), resnet18.state_dict())


def test_loading_takes_no_random_numbers(resnet18, tmp_path):
    save_encoder(tmp_path / "encoder.safetensors", resnet18)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    load_encoder(tmp_path / "encoder.safetensors", "resnet18")
    assert torch.equal(torch.rand(3), expected)


def test_another_architecture_is_named(resnet18, tmp_path):
    path = tmp_path / "encoder.safetensors"
    save_encoder(path, resnet18)
    expected = f"{path}: the encoder in it is resnet18, not resnet50: ask for resnet18, or choose another file"
    with pytest.raises(UserError, match=f"^{re.escape(expected)}$"):
        load_encoder(path, "resnet50")


def change(weights: dict, kind: str) -> dict:
    weights = dict(weights)
    if kind == "missing":
        del weights["layer2.1.bn2.running_var"]
    elif kind == "unknown":
        weights["layer5.weight"] = torch.zeros(1)
    else:
        weights["conv1.weight"] = torch.zeros(64, 4, 7, 7)
    return weights


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("missing", "layer2.1.bn2.running_var is missing"),
        ("unknown", "layer5.weight is not a part of it"),
        ("shape", "conv1.weight is [64, 4, 7, 7], should be [64, 3, 7, 7]"),
    ],
)
def test_weights_that_do_not_fit_name_the_tensor(resnet18, tmp_path, kind, problem):
    path = tmp_path / "weights.pth"
    torch.save(change(resnet18.state_dict(), kind), path)
    with pytest.raises(UserError, match=f"^{re.escape(f'{path}: not weights of resnet18: {problem}')}$"):
        load_encoder(path, "resnet18")


class Command:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


@pytest.mark.parametrize("name", ["missing.pth", "missing.safetensors", "noise.pth", "noise.safetensors", "code.pth"])
def test_files_that_are_no_weights_are_refused_in_one_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name.startswith("noise"):
        (tmp_path / name).write_bytes(b"\x00not weights" * 50)
    elif name.startswith("code"):
        (tmp_path / name).write_bytes(pickle.dumps({"conv1.weight": Command()}, protocol=2))
    with pytest.raises(UserError, match=re.escape(name)) as raised:
        load_encoder(tmp_path / name, "resnet18")
    assert "\n" not in str(raised.value)
    assert "weights_only" not in str(raised.value), "torch says there how to run what is in it"
    assert not (tmp_path / "made-by-a-pickle").exists()


def test_a_file_that_is_empty_or_has_what_is_no_number_says_so(resnet18, tmp_path):
    (tmp_path / "empty.pth").touch()
    with pytest.raises(UserError, match=r"empty\.pth: is empty: copy it once more"):
        load_encoder(tmp_path / "empty.pth", "resnet18")
    weights = resnet18.state_dict()
    weights["layer1.0.conv1.weight"] = torch.full_like(weights["layer1.0.conv1.weight"], torch.nan)
    torch.save(weights, tmp_path / "failed.pth")
    with pytest.raises(UserError, match=r"failed\.pth: layer1\.0\.conv1\.weight has numbers that are not finite"):
        load_encoder(tmp_path / "failed.pth", "resnet18")


def test_a_checkpoint_around_the_weights_is_explained(resnet18, tmp_path):
    torch.save({"epoch": 3, "state_dict": resnet18.state_dict()}, tmp_path / "checkpoint.pth")
    with pytest.raises(UserError, match=r"not a state dict: save `model.state_dict\(\)` alone"):
        load_encoder(tmp_path / "checkpoint.pth", "resnet18")
