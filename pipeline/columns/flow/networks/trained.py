"""A network that was trained here as an estimator. Imports torch."""

from pathlib import Path

import safetensors
from torch import Tensor, nn

from common_fate.errors import UserError
from pipeline.columns.flow.estimator import Estimator
from pipeline.columns.flow.networks import create_network
from pipeline.columns.flow.networks.inference import estimator_of
from pipeline.columns.flow.networks.trained_file import read_about


def trained_estimator(path: Path) -> Estimator:
    """Returns the flow network in a `model.safetensors` as an estimator. Nothing in the file runs.

    Raises:
        UserError: there is no such file, it holds no flow network that can be made here, or its weights are not that
            network's.
    """
    about = read_about(path)
    network = create_network(about.name, about.options)
    _load(network, path, about.prefix)
    return estimator_of(network, f"the network {about.name}")  # a reason in a record names no path


def _load(network: nn.Module, path: Path, prefix: str) -> None:
    """Restores weights, each of which has to be there in its shape. Those without the prefix are another's."""
    wanted = {prefix + name: tuple(weight.shape) for name, weight in network.state_dict().items()}
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            names = file.keys()
            found = {name: tuple(file.get_slice(name).get_shape()) for name in names if name.startswith(prefix)}
            if wrong := sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)):
                in_file, in_network = (shapes.get(wrong[0], "none") for shapes in (found, wanted))
                raise ValueError(
                    f"{len(wrong)} differ, the first is {wrong[0]}: {in_file} in the file, {in_network} in the network"
                )
            weights: dict[str, Tensor] = {name.removeprefix(prefix): file.get_tensor(name) for name in found}
    except (OSError, safetensors.SafetensorError, ValueError) as error:
        raise UserError(f"network:{path}: not the weights of the network that it says: {error}") from error
    network.load_state_dict(weights, strict=True)
