"""Encoders on disk: our own, and weights of torchvision's and timm's models."""

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from common_fate.errors import UserError
from common_fate.foreign.checkpoints import check_unpacked
from common_fate.shards.files import write_atomic
from pipeline.columns.flow.networks.encoders.create import ENCODERS, create_encoder
from pipeline.columns.flow.networks.encoders.encoder import Encoder
from trainers.models.weights_file import metadata

# What torchvision's and timm's models have after their features.
_CLASSIFIERS = ("fc.", "classifier.", "pre_logits.", "head.")


def save_encoder(path: Path, encoder: Encoder) -> None:
    """Writes an encoder's weights as safetensors, under torchvision's names, atomically."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.state_dict().items()}
    write_atomic(path, save(tensors, metadata(encoder=encoder.name)))


def load_encoder(path: Path, name: str) -> Encoder:
    """Loads the encoder `name` with the weights of a file, in evaluation mode.

    Args:
        path: what `save_encoder` wrote, or the state dict of torchvision's or timm's model of that architecture, as
            `.safetensors` or as `.pth`; the classifier's weights in it are left out.
        name: an encoder, as `create_encoder` knows it.

    Raises:
        UserError: the file is missing, damaged, or not of this architecture.
    """
    with torch.random.fork_rng(devices=[]):  # the weights to be replaced cost the caller no random numbers
        encoder = create_encoder(name)
    found = _read(path)
    weights = _without_classifier(encoder, found)
    if _misfit(encoder, weights) and (other := _architecture(found)):
        raise UserError(f"{path}: the encoder in it is {other}, not {name}: ask for {other}, or choose another file")
    load_strictly(encoder, weights, f"{path}: not weights of {name}")
    return encoder.eval()


def load_strictly(module: nn.Module, weights: Mapping[str, Tensor], problem: str) -> None:
    """Loads weights that fit a module exactly. Counts of batches may be absent, as they are from old files.

    Raises:
        UserError: they do not fit; the message is `problem`, and the first tensor that differs.
    """
    if misfit := _misfit(module, weights):
        raise UserError(f"{problem}: {misfit}")
    module.load_state_dict(weights, strict=False)


def _misfit(module: nn.Module, weights: Mapping[str, Tensor]) -> str | None:
    """How weights differ from a module's, by the first tensor that does."""
    own = module.state_dict()
    for key, tensor in own.items():
        if key not in weights:
            if not key.endswith("num_batches_tracked"):
                return f"{key} is missing"
        elif weights[key].shape != tensor.shape:
            return f"{key} is {list(weights[key].shape)}, should be {list(tensor.shape)}"
    unknown = [key for key in weights if key not in own]
    return f"{unknown[0]} is not a part of it" if unknown else None


def _without_classifier(encoder: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights without those of what a model has after an encoder's features."""
    own = encoder.state_dict()
    return {key: value for key, value in weights.items() if key in own or not key.startswith(_CLASSIFIERS)}


def _architecture(weights: Mapping[str, Tensor]) -> str | None:
    """The encoder that weights fit, if any."""
    with torch.device("meta"):
        encoders = map(create_encoder, ENCODERS)
        return next((one.name for one in encoders if not _misfit(one, _without_classifier(one, weights))), None)


def _read(path: Path) -> dict[str, Tensor]:
    """Named tensors of a safetensors file, or of a pickled one without running any code in it."""
    if path.is_file() and not path.stat().st_size:
        raise UserError(f"{path}: is empty: copy it once more")
    try:
        check_unpacked(path)
        with warnings.catch_warnings():  # torch's, of what is refused here
            warnings.simplefilter("ignore")
            weights: Any = (
                load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
            )
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file") from error
    except pickle.UnpicklingError as error:  # torch's own words say how to run what is in it
        raise UserError(
            f"{path}: refused: not a file of weights alone, and loading anything else could run code: "
            "save `model.state_dict()`, and give that file"
        ) from error
    except Exception as error:  # a garbled pickle raises whatever its bytes happen to hit
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: not a file of weights (.safetensors or .pth) that can be read: {reason}") from error
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise UserError(f"{path}: not a state dict: save `model.state_dict()` alone, and give that file")
    if name := next((name for name, tensor in weights.items() if not tensor.isfinite().all()), None):
        raise UserError(f"{path}: {name} has numbers that are not finite: give weights of a training that went well")
    return weights
