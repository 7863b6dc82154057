"""Flow estimators that are networks, and the networks that can be made from what was trained here.

The only part of the pipeline that imports torch, once a network is made.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from common_fate.errors import UserError

if TYPE_CHECKING:
    from torch import nn

NETWORKS: dict[str, str] = {
    "liteflownet": "pipeline.columns.flow.networks.liteflownet:create",
    "matching": "pipeline.columns.flow.networks.matching.deep_matching:create",
    "ptlflow": "pipeline.columns.flow.networks.ptlflow_models:ptlflow_network",
    "selflow": "pipeline.columns.flow.networks.selflow:create",
    "small": "pipeline.columns.flow.networks.small:create",
}
"""By name the entry point, `module:factory`, of networks that map frames `(B, N, 3, H, W)`, RGB in [0, 1], to flow
`(B, 2, H, W)` in pixels, from this frame to the next. N is 2, or 3 with the frame before. `factory(options)` takes a
mapping and returns an `nn.Module` with random weights; H and W are multiples of the module's `stride` (none: 1).

A name may say the model as well: `ptlflow:raft_small` gives the factory of `ptlflow` the option `model: raft_small`.
"""


def check_network(name: str) -> None:
    """Raises `ValueError` where there is no network of that name."""
    if name.partition(":")[0] not in NETWORKS:
        raise ValueError(f"there is no network {name!r}: it is of {', '.join(NETWORKS)}")


def create_network(name: str, options: dict[str, Any]) -> "nn.Module":
    """Returns a network with random weights.

    Raises:
        ValueError: there is no such network.
        UserError: these are not its options, or it cannot be built here.
    """
    check_network(name)
    kind, _, model = name.partition(":")
    module, _, factory = NETWORKS[kind].partition(":")
    try:
        made: nn.Module = getattr(import_module(module), factory)(options | ({"model": model} if model else {}))
    except (TypeError, ValueError, KeyError) as error:
        raise UserError(f"the network {name} cannot be made with {options}: {error}") from error
    return made
