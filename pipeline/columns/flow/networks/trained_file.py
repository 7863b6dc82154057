"""Which flow network a `model.safetensors` holds, as its trainer says; no torch, for plans read it, too.

The file's metadata has under `about` a JSON object, and in that `flow_network`: `name` of `NETWORKS`, `options` of its
factory, `frames` that it reads, and `prefix` of its weights' names where the file holds more than the network.
"""

from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors

from common_fate.errors import UserError
from common_fate.foreign.files import parse_json
from pipeline.columns.flow.networks import check_network
from pipeline.columns.flow.networks.weights import sha256_of

MAX_ABOUT = 2**20  # characters


@dataclass(frozen=True)
class FlowNetwork:
    """What `flow_network` says, checked."""

    name: str
    frames: int
    options: dict[str, Any] = field(default_factory=dict)
    prefix: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not isinstance(self.prefix, str) or not isinstance(self.options, dict):
            raise ValueError("name and prefix are texts, and options is a mapping")
        if type(self.frames) is not int or self.frames not in (2, 3):
            raise ValueError(f"frames is {self.frames!r}: a flow network reads 2, or 3")
        check_network(self.name)


def read_about(path: Path) -> FlowNetwork:
    """Returns what a file says of the flow network in it. Nothing in the file runs, and no weights are read.

    Raises:
        UserError: it is not there, not a safetensors file, or says of no flow network that can be made here.
    """
    if not path.is_file():
        raise UserError(f"network:{path}: there is no such file: train the experiment first, or name another")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get("about", "{}")
        if len(text) > MAX_ABOUT:
            raise ValueError(f"what it says about itself has {len(text)} characters")
        about = parse_json(text.encode())
        if not isinstance(about, dict) or not isinstance(about.get("flow_network"), dict):
            raise ValueError("it says of no flow network, and so is of a method that trains none, or from elsewhere")
        return FlowNetwork(**about["flow_network"])
    except (OSError, safetensors.SafetensorError, TypeError, ValueError) as error:
        raise UserError(f"network:{path}: no flow network can be made of it: {error}") from error


def trained_provenance(path: Path) -> dict[str, Any]:
    """Returns the network's name, its file's sha256, and the versions of what runs it."""
    network = read_about(path)
    kind = network.name.partition(":")[0]
    software = ("torch", "ptlflow") if kind == "ptlflow" else ("torch",)
    return {
        "network": network.name,
        "checkpoint": path.name,
        "checkpoint_sha256": sha256_of(path),
        **{name: version(name) for name in software},
    }
