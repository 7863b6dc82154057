"""Any ptlflow model as an estimator (Morimitsu, "PyTorch Lightning Optical Flow"). Imports torch."""

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import ptlflow
from torch import Tensor, nn

from common_fate.errors import SampleError, UserError
from common_fate.foreign.checkpoints import check_unpacked
from pipeline.columns.flow.estimator import Estimator
from pipeline.columns.flow.networks import inference
from pipeline.columns.flow.networks.ptlflow_corrections import correct
from pipeline.columns.flow.networks.weights import PREFIX, checkpoint_path, model_class


def ptlflow_estimator(model: str, checkpoint: str | None, checkpoint_dir: str = "checkpoints") -> Estimator:
    """Loads a ptlflow model with its weights, on the GPU where there is one.

    Raises:
        UserError: there is no such model or checkpoint, or the file is not a checkpoint of this model.
    """
    path = checkpoint_path(model, checkpoint, checkpoint_dir)
    network = create_network(model)
    _load(network, path, model)
    return estimator_of(network, model)


def create_network(model: str) -> nn.Module:
    """Creates a ptlflow model by name, with random weights and its known errors corrected.

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


class _OneFlow(nn.Module):
    """A ptlflow network from frames `(B, N, 3, H, W)`, RGB in [0, 1], to flow `(B, 2, H, W)`."""

    def __init__(self, network: nn.Module, name: str) -> None:
        super().__init__()
        self.network = network
        self.name = name
        self.stride = int(network.output_stride or 1)  # type: ignore[arg-type]  # dpflow has none: it pads for itself

    def forward(self, frames: Tensor) -> Tensor:
        """Raises SampleError where the network makes more than one flow of the frames."""
        flows: Tensor = self.network({"images": frames.flip(2)})["flows"]  # ptlflow's images are OpenCV's
        if flows.ndim != 5 or flows.shape[1] != 1:
            raise SampleError(f"{self.name} does not estimate one flow from {frames.shape[1]} frames")
        return flows[:, 0]


def ptlflow_network(options: Mapping[str, Any]) -> nn.Module:
    """Returns a ptlflow model with random weights, for one that was trained here.

    Args:
        options: `model`, its name.

    Raises:
        UserError: there is no such model, or it cannot be built here.
    """
    if set(options) != {"model"}:
        raise ValueError("its one option is model, the name of a ptlflow model")
    return _OneFlow(create_network(options["model"]), f"{PREFIX}{options['model']}")


def estimator_of(network: nn.Module, model: str) -> Estimator:
    """Returns an estimator from a ptlflow network."""
    return inference.estimator_of(_OneFlow(network, f"{PREFIX}{model}"), f"{PREFIX}{model}")


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
def _no_downloads(model: str) -> Iterator[None]:
    """Some models fetch an ImageNet backbone as they are built, which the checkpoint then overwrites."""

    def refuse(url: str, to: str, *_: Any, **__: Any) -> None:
        raise UserError(f"ptlflow:{model} is built on {url}, and weights are never fetched silently: save it as {to}")

    with patch("torch.hub.download_url_to_file", refuse):
        yield
