"""What the page asks for, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common_fate.errors import UserError
from trainers.page.answers import number, whole

MOST_ARROWS = 64
MOST_FRAMES = 120
MOST_SPEED = 30
"""Frames a second, which GIFs still show at their speed."""
MOST_SIDE = 1024
"""Of the image that is worked on, pixels."""


@dataclass(frozen=True)
class Asked:
    """Arrows on an image, and the model that they are given to."""

    model: str
    image: str
    arrows: list[list[float]]
    """Rows of y, x, dy, dx in pixels of the image that is worked on."""


@dataclass(frozen=True)
class Film:
    """How an animation is played."""

    frames: int
    """From the image itself to the whole motion."""
    speed: float
    """Frames a second."""
    back: bool
    """Whether it then runs back to the image."""


def asked_of(sent: Mapping[str, Any]) -> Asked:
    """Returns what was asked.

    Raises:
        UserError: something is missing, no number, or too much; whether the arrows start inside the image is not known
            here.
    """
    model, image, arrows = (sent.get(name) for name in ("model", "image", "arrows"))
    if not isinstance(model, str) or not isinstance(image, str):
        raise UserError("model and image should be names")
    if not isinstance(arrows, list) or len(arrows) > MOST_ARROWS:
        raise UserError(f"arrows should be a list of at most {MOST_ARROWS}")
    return Asked(model, image, [_arrow(arrow, f"arrow {i + 1}") for i, arrow in enumerate(arrows)])


def film_of(sent: Mapping[str, Any]) -> Film:
    """Returns how an animation is to be played.

    Raises:
        UserError: a number is none, or outside its range.
    """
    back = sent.get("back", False)
    if not isinstance(back, bool):
        raise UserError("back should be true or false")
    speed = number(sent.get("speed", 15), "speed, in frames a second,", 1, MOST_SPEED)
    return Film(whole(sent.get("frames"), "frames", 2, MOST_FRAMES), speed, back)


def _arrow(row: Any, name: str) -> list[float]:
    if not isinstance(row, list) or len(row) != 4:
        raise UserError(f"{name} should be y, x, dy and dx")
    point = [number(value, f"{axis} of {name}", 0, MOST_SIDE - 1) for axis, value in zip("yx", row[:2], strict=True)]
    return point + [number(value, f"motion of {name}", -MOST_SIDE, MOST_SIDE) for value in row[2:]]
