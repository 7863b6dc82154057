"""Any ptlflow model as an estimator (Morimitsu, "PyTorch Lightning Optical Flow"). Imports torch."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import ptlflow
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from common_fate.errors import SampleError, UserError
from common_fate.foreign.checkpoints import check_unpacked
from pipeline.columns.flow.estimators import Estimator
from pipeline.columns.flow.networks.liteflownet import correct
from pipeline.columns.flow.networks.weights import checkpoint_path, model_class


def ptlflow_estimator(model: str, checkpoint: str | None, checkpoint_dir: str = "checkpoints") -> Estimator:
    """A ptlflow model with its weights, on the GPU where there is one.

    Raises:
        UserError: there is no such model or checkpoint, or the file is not a checkpoint of this model.
    """
    path = checkpoint_path(model, checkpoint, checkpoint_dir)
    network = create_network(model)
    _load(network, path, model)
    return estimator_of(network, model)


def create_network(model: str) -> nn.Module:
    """A ptlflow model by name, with random weights and its known errors corrected.

    Raises:
        UserError: there is no such model, or it needs software or weights that are not on this machine.
    """
    model_class(model)  # says which there are
    try:
        with _no_downloads(model):
            network: nn.Module = ptlflow.get_model(model)
    except (ImportError, OSError, ValueError) as error:  # of models that need what no package index has
        raise UserError(f"ptlflow:{model} cannot be built here: {' '.join(str(error).split())}") from error
    correct(network)
    return network


def estimator_of(network: nn.Module, model: str) -> Estimator:
    """An estimator from a ptlflow network; images are padded to its stride with their border and cropped back."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        torch.set_num_threads(1)  # a job is one core's work, and sums depend on how threads share them
    network = network.eval().requires_grad_(False).to(device, torch.float32)
    stride = int(network.output_stride or 1)  # type: ignore[arg-type]  # dpflow has none: it pads for itself

    def estimate(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
        batch, _, height, width = first.shape
        blue_green_red = np.stack([first, second], axis=1)[:, :, ::-1]  # ptlflow's images are OpenCV's
        images = torch.from_numpy(np.ascontiguousarray(blue_green_red, np.float32)).to(device)
        top, left = (-height % stride) // 2, (-width % stride) // 2
        padding = (left, -width % stride - left, top, -height % stride - top)
        padded = functional.pad(images.flatten(0, 1), padding, mode="replicate")
        padded = padded.reshape(batch, 2, *padded.shape[1:])
        with torch.inference_mode(), _exact():
            flow = network({"images": padded})["flows"]
        if flow.shape != (batch, 1, 2, *padded.shape[-2:]):
            raise SampleError(f"ptlflow:{model} does not estimate one flow from two frames")
        cropped = flow[:, 0, :, top : top + height, left : left + width]
        return np.ascontiguousarray(cropped.float().cpu().numpy())

    return estimate


def _load(network: nn.Module, path: Path, model: str) -> None:
    """Restores weights as ptlflow does, from a file that is there: no name is looked up, and nothing in it runs."""
    try:
        check_unpacked(path)
        ptlflow.restore_model(network, str(path))
    except pickle.UnpicklingError:
        raise UserError(
            f"{path}: refused: not a file of weights alone, and loading anything else could run code"
        ) from None
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: not a ptlflow checkpoint: it has no 'state_dict'") from error
    except (RuntimeError, EOFError, ValueError) as error:
        raise UserError(f"{path}: not a checkpoint of ptlflow:{model}: {str(error).splitlines()[0]}") from error


@contextmanager
def _exact() -> Iterator[None]:
    """float32 without shortcuts, and the same algorithm every time."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield


@contextmanager
def _no_downloads(model: str) -> Iterator[None]:
    """Some models fetch an ImageNet backbone as they are built, which the checkpoint then overwrites."""

    def refuse(url: str, to: str, *_: Any, **__: Any) -> None:
        raise UserError(f"ptlflow:{model} is built on {url}, and weights are never fetched silently: save it as {to}")

    with patch("torch.hub.download_url_to_file", refuse):
        yield
