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
from ptlflow.models.liteflownet.liteflownet import LiteFlowNet
from ptlflow.models.liteflownet.liteflownet2 import LiteFlowNet2
from ptlflow.models.liteflownet.warp import WarpingLayer
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import SampleError, UserError
from pipeline.flow.estimators import Estimator
from pipeline.flow.weights import checkpoint_path, model_class


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
        UserError: there is no such model, or it begins from weights that are not on this machine.
    """
    model_class(model)  # says which there are
    with _no_downloads(model):
        network: nn.Module = ptlflow.get_model(model)
    if isinstance(network, LiteFlowNet | LiteFlowNet2):
        for regularization in network.regularization_nets:
            regularization.warp = PairWarp()
    return network


class PairWarp(WarpingLayer):  # type: ignore[misc]
    """Warps a batch of images into the second frames of pairs, `(B, 2, C, H, W)`.

    The regularization of ptlflow 0.4.2's LiteFlowNet and LiteFlowNet2 compares the first image with
    `warp(second)[:, 1]`, the second *of a pair*, where the warp gives images: it takes their green channel alone, and
    mixes the samples of a batch. With pairs that expression is the image that was meant (Hui et al., "LiteFlowNet",
    CVPR 2018, section 3.3: the brightness error is of all channels).
    """

    def forward(self, x: Tensor, *arguments: Any) -> Tensor:
        warped: Tensor = super().forward(x, *arguments)
        return warped.unsqueeze(1).expand(-1, 2, -1, -1, -1)


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
