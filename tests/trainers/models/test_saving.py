"""Networks on disk: what comes back, what training starts from, and files that are not to be trusted."""

import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import nn

from common_fate.errors import UserError
from pipeline.columns.flow.networks.encoders.create import ENCODERS
from trainers.data.split import Split
from trainers.declarations import Method
from trainers.engine.options import TrainingOptions
from trainers.methods.cmp.method import METHOD as CMP
from trainers.methods.cmp.model import CMPNet
from trainers.methods.cmp.options import CMPOptions, LossOptions, ModelOptions
from trainers.models import weights_file
from trainers.models.encoders import create_encoder, save_encoder
from trainers.models.saving import create_network, load_model, load_start, save_model
from trainers.models.weights_file import extract_encoder, read_about, read_weights
from trainers.registry import METHODS

OPTIONS = CMPOptions(model=ModelOptions(encoder="resnet18"), loss=LossOptions(bins=9))
SPLIT = Split(0.25, 0.5)


@dataclass(frozen=True)
class OtherOptions:
    """Of a method with nothing in common with CMP but the encoder."""

    encoder: str = "resnet18"
    training: TrainingOptions = field(default_factory=TrainingOptions)


class Other:
    """Its task, as far as a network is made of it."""

    @classmethod
    def network(cls, options: OtherOptions) -> nn.Module:
        return nn.ModuleDict({"encoder": create_encoder(options.encoder), "head": nn.Conv2d(512, 2, 1)})


OTHER = Method("other", OtherOptions, 1, "frames", f"{__name__}:Other", encoder=lambda options: options.encoder)
BLIND = Method("blind", OtherOptions, 1, "frames", f"{__name__}:Other")


def net(seed: int = 0, options: CMPOptions = OPTIONS) -> CMPNet:
    torch.manual_seed(seed)
    return CMPNet(options.model, options.loss)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose normalisations have seen something."""
    path = tmp_path_factory.mktemp("saved") / "model.safetensors"
    trained = net()
    trained(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32))
    save_model(path, trained, CMP, OPTIONS, SPLIT)
    return path


def same(one: nn.Module, other: nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_a_model_comes_back_with_what_it_was_trained_as(tmp_path: Path):
    options = CMPOptions(
        model=ModelOptions("resnet18", "skip"),
        loss=LossOptions(bins=31),
        training=TrainingOptions(milestones=(0.5, 0.75)),
    )
    trained = net(options=options)
    trained(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32))
    save_model(tmp_path / "model.safetensors", trained, CMP, options, SPLIT)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    loaded = load_model(tmp_path / "model.safetensors")
    assert torch.equal(torch.rand(3), expected), "it costs no random numbers"
    assert (loaded.method, loaded.options, loaded.split) == (CMP, options, SPLIT)
    assert not any(module.training for module in loaded.net.modules())
    image, guidance = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    assert torch.equal(loaded.net(image, guidance), trained.eval()(image, guidance))


def test_the_file_says_what_it_is(saved: Path):
    assert read_about(saved) == {
        "method": "cmp",
        "version": CMP.version,
        "options": json.loads(json.dumps(asdict(OPTIONS))),
        "split": {"validation_share": 0.25, "train_share": 0.5},
        "encoder": "resnet18",
    }


def test_the_weights_of_scratch_are_those_that_the_seed_draws():
    drawn = create_network(CMP, CMPOptions(OPTIONS.model, OPTIONS.loss, training=TrainingOptions(seed=3)))
    assert same(drawn, net(3))
    assert not same(drawn, net(0))


def test_weights_that_do_not_fit_their_options_are_refused(tmp_path: Path):
    path = tmp_path / "model.safetensors"
    trained = net()
    save_model(path, trained, CMP, CMPOptions(model=OPTIONS.model, loss=LossOptions(bins=51)), SPLIT)
    with pytest.raises(UserError, match=re.escape("decoder.fusion.weight is [18, 384, 1, 1], should be [102, 384, 1")):
        load_model(path)
    del trained.decoder.fusion
    trained.decoder.other = nn.Conv2d(1, 1, 1)
    save_model(path, trained, CMP, OPTIONS, SPLIT)
    with pytest.raises(UserError, match=r"its weights do not fit its options: decoder.fusion.weight is missing"):
        load_model(path)


OPTIONS_JSON: dict[str, Any] = json.loads(json.dumps(asdict(OPTIONS)))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"method": "none"}, f"not a model of {', '.join(METHODS)}: give the model.safetensors of an experiment"),
        ({"method": ["cmp"]}, "not a model of cmp"),
        ({"method": None}, "not a model of cmp"),
        ({"options": None}, "its options do not fit this version: is None: should be a mapping of options"),
        ({"options": {"model": {"widths": 3}}}, "do not fit this version: model.widths is not an option"),
        ({"options": {"model": "resnet18"}}, "model is 'resnet18': should be a mapping"),
        ({"options": {"model": {"encoder": ["resnet18"]}}}, r"model.encoder is \['resnet18'\]: should be text"),
        ({"options": {"model": {"strides": {"1": 2}}}}, "model.strides is .*: should be a list"),
        ({"options": {"loss": {"bins": 8000001}}}, "loss.bins is 8000001: odd, from 3 to 999"),
        ({"options": {"loss": {"bins": "9"}}}, "loss.bins is '9': should be a whole number"),
        ({"options": {"loss": {"bins": [9]}}}, r"loss.bins is \[9\]: should be a whole number"),
        ({"options": {"model": None}}, "do not fit this version: model is None: should be a mapping"),
        ({"options": {"cmp": []}}, "do not fit this version: cmp is not an option"),
        ({"options": []}, r"do not fit this version: is \[\]: should be a mapping"),
        ({"options": {"transforms": {"scale": [1]}}}, r"transforms.scale is \[1\]: should be 2 values"),
        ({"options": {"transforms": {"scale": [None, 1]}}}, r"transforms.scale\[0\] is None: should be a number"),
        ({"options": {"transforms": {"crop": 2**40}}}, "transforms.crop is 1099511627776: pixels"),
        ({"options": {"training": {"seed": 1e300}}}, "training.seed is 1e.300: should be a whole number"),
        ({"options": OPTIONS_JSON, "split": {"validation_share": "x"}}, "validation_share is 'x': should be a number"),
        ({"options": OPTIONS_JSON, "split": 3}, "is 3: should be a mapping"),
    ],
)
def test_what_a_file_says_of_itself_is_checked(tmp_path: Path, changed: dict[str, Any], message: str):
    path = tmp_path / "model.safetensors"
    about = {"method": "cmp", "version": 1, "options": {}, "split": {}, "encoder": "resnet18"} | changed
    save_file({"a": torch.zeros(1)}, path, {"about": json.dumps(about)})
    with pytest.raises(UserError, match=message) as refusal:
        load_model(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert "\n" not in str(refusal.value)


def tensor(dtype: str, shape: list[int], data: bytes) -> Callable[[Path], Any]:
    """Writes a file of one tensor, by the letter of the format."""
    header = {
        "__metadata__": {"about": json.dumps({"method": "cmp", "encoder": "resnet18"})},
        "encoder.conv1.weight": {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)]},
    }
    text = json.dumps(header).encode()
    return lambda path: path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


HOSTILE: dict[str, Callable[[Path], Any]] = {
    "pickled": lambda path: torch.save({"a": torch.zeros(1)}, path),
    "empty": lambda path: path.write_bytes(b""),
    "a header of exabytes": lambda path: path.write_bytes(b"\xff" * 8 + b"{}"),
    "cut off": truncated,
    "says nothing": lambda path: save_file({"a": torch.zeros(1)}, path),
    "a number": lambda path: save_file({"a": torch.zeros(1)}, path, {"about": "3"}),
    "deep": lambda path: save_file({"a": torch.zeros(1)}, path, {"about": "[" * 10**5}),
    "eight bits a number": tensor("F8_E4M3", [1], b"\0"),
    "sixteen bits that NumPy has not": tensor("BF16", [1], b"\0\0"),
    "an empty tensor": tensor("F32", [0, 2**40], b""),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.faults
@pytest.mark.parametrize("what", HOSTILE)
def test_a_file_that_is_none_of_ours_is_one_line(saved: Path, tmp_path: Path, what: str):
    path = tmp_path / "model.safetensors"
    path.write_bytes(saved.read_bytes())
    HOSTILE[what](path)
    for read in (load_model, lambda file: extract_encoder(file, tmp_path / "out")):
        with pytest.raises(UserError, match="not weights that this project saved") as refusal:
            read(path)
        assert "\n" not in str(refusal.value)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"model.safetensors: there is no such file: train a model first"):
        load_model(tmp_path / "model.safetensors")


def test_the_encoder_of_a_model_is_a_file_of_its_own(saved: Path, tmp_path: Path):
    """Without torch, which takes seconds and half a gigabyte of memory."""
    command = [sys.executable, "-c", "import sys; from trainers.cli import app; app(standalone_mode=False); "]
    command[-1] += "assert 'torch' not in sys.modules"
    to = tmp_path / "encoder.safetensors"
    subprocess.run([*command, "encoder", str(saved), "--to", str(to)], check=True)
    encoder = load_model(saved).net.encoder
    save_encoder(tmp_path / "expected.safetensors", encoder)
    assert read_about(to) == {"encoder": "resnet18"}
    extracted = load_file(to)
    assert extracted.keys() == encoder.state_dict().keys()
    assert all(torch.equal(extracted[name], value) for name, value in encoder.state_dict().items())


def test_a_network_without_an_encoder_has_none_to_extract(tmp_path: Path):
    path = tmp_path / "model.safetensors"
    save_model(path, net(), BLIND, OtherOptions(), SPLIT)
    with pytest.raises(UserError, match="there is no image encoder in this network"):
        extract_encoder(path, tmp_path / "encoder.safetensors")


@pytest.mark.parametrize("name", ["resnet51", "../resnet18", "r" * 10**5])
def test_an_encoder_that_is_none_is_not_extracted(tmp_path: Path, name: str):
    path = tmp_path / "model.safetensors"
    save_file({"encoder.a": torch.zeros(1)}, path, {"about": json.dumps({"encoder": name})})
    with pytest.raises(UserError, match=r"its image encoder is .*: should be one of resnet50, ") as refusal:
        extract_encoder(path, tmp_path / "out")
    assert len(str(refusal.value)) < 1000
    assert not (tmp_path / "out").exists()


def test_the_names_of_the_encoders_are_those_there_are():
    assert set(weights_file.ENCODERS) == set(ENCODERS)


def started(path: Path, method: Method = CMP, options: Any = OPTIONS) -> nn.Module:
    made = create_network(method, options)
    load_start(path, made, method, options)
    return made


def test_training_starts_from_a_model_of_the_same_method(saved: Path):
    assert same(started(saved), load_model(saved).net)
    with pytest.raises(UserError, match=r"does not fit the options of this experiment: decoder.fusion.weight is \[18"):
        started(saved, options=CMPOptions(model=OPTIONS.model))


def test_training_starts_from_the_encoder_of_another_method(saved: Path, tmp_path: Path):
    path = tmp_path / "other.safetensors"
    trained = create_network(OTHER, OtherOptions(training=TrainingOptions(seed=9)))
    save_model(path, trained, OTHER, OtherOptions(), SPLIT)
    made = started(path)
    assert same(made.encoder, trained.encoder)
    assert same(made.decoder, create_network(CMP, OPTIONS).decoder)
    with pytest.raises(UserError, match="its image encoder is resnet18, and this experiment's is vgg16"):
        started(path, options=CMPOptions(model=ModelOptions(encoder="vgg16")))
    with pytest.raises(
        UserError, match="not a model of blind, which here has no image encoder that could start from it"
    ):
        started(saved, BLIND, OtherOptions())


def test_training_starts_from_an_encoder(saved: Path, tmp_path: Path):
    ours, foreign = tmp_path / "encoder.safetensors", tmp_path / "resnet18.pth"
    extract_encoder(saved, ours)
    assert same(started(ours).encoder, load_model(saved).net.encoder)
    network = torchvision.models.resnet18(weights=None)
    torch.save(network.state_dict(), foreign)
    assert torch.equal(started(foreign).encoder.conv1.weight, network.conv1.weight)
    with pytest.raises(UserError, match="the encoder in it is resnet18, not vgg16"):
        started(foreign, options=CMPOptions(model=ModelOptions(encoder="vgg16")))
    with pytest.raises(UserError, match="there is no such file"):
        started(tmp_path / "none.pth")


def test_only_the_weights_asked_for_are_read(saved: Path):
    names = read_weights(saved, "np", "motion.")
    assert names
    assert {f"motion.{name}" for name in names} < load_model(saved).net.state_dict().keys()
