"""Weights on disk: safetensors that say what they are. Nothing is pickled, and nothing here imports torch."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy

from common_fate.errors import UserError
from common_fate.foreign.files import open_file, parse_json
from common_fate.shards.files import write_atomic
from common_fate.shards.limits import quoted
from trainers.declarations import Method

ENCODER = "encoder."
"""How the names of an image encoder's weights begin in a network's."""

ENCODERS = (
    "resnet50",
    "resnet34",
    "resnet18",
    "resnet18_c4",
    "vgg16",
    "alexnet",
    "vgg16_torchvision",
    "alexnet_torchvision",
)
"""The image encoders that there are, for what is not to import torch."""

_DTYPES = {"BOOL", "U8", "I8", "I16", "I32", "I64", "F16", "F32", "F64"}


def read_about(path: Path) -> dict[str, Any]:
    """Returns what a file of weights says about itself.

    Raises:
        UserError: there is no such file, it is not a safetensors file, or not one that this project saved.
    """
    with _opened(path, "np") as (_, about):
        return about


def read_weights(path: Path, framework: str, beginning: str = "") -> dict[str, Any]:
    """Returns the tensors of a file whose names begin so, with that beginning left out.

    Args:
        framework: `pt`, torch's tensors, or `np`, NumPy's arrays.

    Raises:
        UserError: as `read_about`.
    """
    with _opened(path, framework) as (file, _):
        names = [name for name in file.keys() if name.startswith(beginning)]  # noqa: SIM118 (it is no dict)
        return {name.removeprefix(beginning): file.get_tensor(name) for name in names}


def extract_encoder(model: Path, to: Path) -> None:
    """Writes the image encoder in an experiment's `model.safetensors` as a file of its own, atomically.

    Raises:
        UserError: the file cannot be read, or its network has no image encoder.
    """
    name = read_about(model).get("encoder")
    weights = read_weights(model, "np", ENCODER)
    if not weights or not isinstance(name, str):
        raise UserError(f"{model}: there is no image encoder in this network")
    if name not in ENCODERS:
        raise UserError(f"{model}: its image encoder is {quoted(name)}: should be one of {', '.join(ENCODERS)}")
    write_atomic(to, safetensors.numpy.save(weights, metadata(encoder=name)))


def is_flow_network(about: Mapping[str, Any], method: Method, options: Any) -> bool:
    """Returns whether a file says that it holds the flow network that a method makes of these options."""
    if method.flow_network is None or not isinstance(there := about.get("flow_network"), dict):
        return False
    wanted = method.flow_network(options)
    return all(there.get(name) == wanted[name] for name in ("name", "options", "frames"))


def metadata(**about: Any) -> dict[str, str]:
    """Returns what a safetensors file says about itself, as the format wants it."""
    return {"about": json.dumps(about, sort_keys=True)}


@contextmanager
def _opened(path: Path, framework: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A safetensors file, which refuses sizes that do not add up to its own, and what it says about itself."""
    try:
        with open_file(path):  # a pipe would block
            pass
        with safetensors.safe_open(path, framework=framework) as file:
            about = parse_json((file.metadata() or {}).get("about", "null").encode())
            if not isinstance(about, dict):
                raise ValueError("it does not say what it is")
            _check_tensors(file)
            yield file, about
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file: train a model first") from error
    except (OSError, safetensors.SafetensorError, TypeError, ValueError) as error:
        raise UserError(f"{path}: not weights that this project saved ({error})") from error


def _check_tensors(file: Any) -> None:
    """Refuses tensors that neither NumPy nor a network of ours has, by the file's header alone."""
    for name in file.keys():  # noqa: SIM118 (it is no dict)
        tensor = file.get_slice(name)
        dtype, shape = tensor.get_dtype(), tensor.get_shape()
        if dtype not in _DTYPES:
            raise ValueError(f"{quoted(name)} is of type {dtype}: should be one of {', '.join(sorted(_DTYPES))}")
        if 0 in shape:
            raise ValueError(f"{quoted(name)} is empty: its shape is {shape}")
