"""What the options of evaluations of named points have in common. Nothing here imports torch."""

from collections.abc import Mapping
from typing import Any


def check_named_points(options: Any, least: Mapping[str, float]) -> None:
    """Raises `ValueError` where an option is below its least value, or `vectors` or `hold_out` is out of range."""
    for name, lowest in least.items():
        if getattr(options, name) < lowest:
            raise ValueError(f"{name} is {getattr(options, name)}: from {lowest} up")
    if options.vectors not in ("raw", "unit"):
        raise ValueError(f"vectors is {options.vectors!r}: should be raw or unit")
    if hasattr(options, "hold_out") and not 0 < options.hold_out < 1:
        raise ValueError(f"hold_out is {options.hold_out}: a share of the videos, above 0 and below 1")
