"""How options say what they are: config.yaml's schema and the tables of the docs are made from it."""

from dataclasses import MISSING, field
from typing import Any


def option(default: Any = MISSING, help: str = "", *, added: bool = False, **schema: Any) -> Any:
    """Returns a dataclass field that describes itself.

    Args:
        default: its default; a list or a mapping is copied for each instance; without one, the key is required.
        help: what stands beside it in the table of options.
        added: it came later: see `pipeline.stages.stage.resolved`.
        schema: what its JSON schema has besides what follows from its type, such as `minimum`.
    """
    metadata: dict[str, Any] = (
        {"help": help} | ({"schema": schema} if schema else {}) | ({"added": True} if added else {})
    )
    if isinstance(default, list | dict):
        return field(default_factory=lambda: default.copy(), metadata=metadata)
    return field(default=default, metadata=metadata)
