"""Networks on disk: what an experiment saves, and what starts from it, or learns from it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from common_fate.errors import UserError
from common_fate.shards.files import write_atomic
from trainers.data.split import Split
from trainers.declarations import Method, entry_point
from trainers.engine.options import build
from trainers.models.encoders import load_encoder, load_strictly
from trainers.models.weights_file import ENCODER, is_flow_network, metadata, read_about, read_weights
from trainers.registry import METHODS


@dataclass(frozen=True)
class Trained:
    """A network that was trained, in evaluation mode, and what it was trained as."""

    method: Method
    options: Any
    split: Split
    net: nn.Module


def save_model(path: Path, net: nn.Module, method: Method, options: Any, split: Split) -> None:
    """Writes a network, and all that it takes to build and to evaluate it again, as safetensors, atomically."""
    about = {
        "method": method.name,
        "version": method.version,
        "options": asdict(options),
        "split": asdict(split),
        "encoder": method.encoder_for(options),
        **({"flow_network": method.flow_network(options)} if method.flow_network else {}),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    write_atomic(path, save(tensors, metadata(**about)))


def load_model(path: Path) -> Trained:
    """Returns the network of an experiment's `model.safetensors`.

    Raises:
        UserError: the file is missing, damaged, or not a network that `save_model` wrote.
    """
    about = read_about(path)
    method = METHODS.get(about["method"]) if isinstance(about.get("method"), str) else None
    if method is None:
        raise UserError(f"{path}: not a model of {', '.join(METHODS)}: give the model.safetensors of an experiment")
    try:
        options = build(method.options, about.get("options"))
        split = build(Split, about.get("split"))
        net = create_network(method, options)
    except ValueError as error:
        raise UserError(f"{path}: its options do not fit this version: {error}") from error
    load_strictly(net, read_weights(path, "pt"), f"{path}: its weights do not fit its options")
    return Trained(method, options, split, net.eval())


def create_network(method: Method, options: Any) -> nn.Module:
    """Returns a method's network with the weights that training starts from, drawn by its seed."""
    with torch.random.fork_rng(devices=[]):  # costs the caller no random numbers
        torch.manual_seed(options.training.seed)
        net: nn.Module = entry_point(method.task).network(options)
    return net


def load_start(path: Path, net: nn.Module, method: Method, options: Any) -> None:
    """Loads the weights that training starts from into a method's network: all of them, or its encoder's alone.

    Args:
        path: a model of the same method; flow weights that ship; a model of another method with the same image encoder;
            or an encoder, see `load_encoder`.

    Raises:
        UserError: the file cannot be read, or what is in it does not fit.
    """
    try:
        about = read_about(path)
    except UserError:  # none of ours
        about = {}
    if about.get("method") == method.name:
        load_strictly(net, read_weights(path, "pt"), f"{path}: does not fit the options of this experiment")
        return
    if "method" not in about and is_flow_network(about, method, options):
        load_strictly(net, read_weights(path, "pt"), f"{path}: does not fit the options of this experiment")
        return
    name = method.encoder_for(options)
    if name is None:
        raise UserError(
            f"{path}: not a model of {method.name}, which here has no image encoder that could start from it"
        )
    if "method" not in about:
        net.encoder.load_state_dict(load_encoder(path, name).state_dict())  # type: ignore[union-attr]
        return
    if about.get("encoder") != name:
        raise UserError(f"{path}: its image encoder is {about.get('encoder')}, and this experiment's is {name}")
    load_strictly(net.encoder, read_weights(path, "pt", ENCODER), f"{path}: its image encoder does not fit")  # type: ignore[arg-type]
