"""Weights on disk: safetensors with what is needed to use them again. Nothing is pickled."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import save
from torch import Tensor

from common_fate.errors import UserError
from common_fate.foreign.files import parse_json
from common_fate.shards.files import write_atomic


def save_weights(path: Path, weights: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Writes named tensors, and JSON `about` them, atomically."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    write_atomic(path, save(tensors, {"about": json.dumps(about, sort_keys=True)}))


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file, and what it says about them.

    Raises:
        UserError: there is no such file, it is not a safetensors file, or not one of `save_weights`.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            about = parse_json((file.metadata() or {})["about"].encode())
            if not isinstance(about, dict):
                raise ValueError("what it says about itself is no JSON object")
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118 (it is no dict)
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file: train a model first") from error
    except (OSError, safetensors.SafetensorError, KeyError, ValueError) as error:
        raise UserError(f"{path}: not weights that this project saved ({error})") from error
