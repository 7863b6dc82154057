"""The thesis' variants of deep matching, and a small one, as presets. Nothing here imports torch."""

from collections.abc import Mapping
from typing import Any

RECIPES: dict[str, Mapping[str, Any]] = {
    # Table 1, row b: descriptors by hand, exponents learnt.
    "gradients": {"descriptor": {"name": "gradients"}},
    # Row f: everything is learnt.
    "convolutions": {},
    # Not the thesis': small crops, short reach and narrow convolutions, in minutes of one core.
    "small": {
        "pyramid": {"levels": 4, "radius": 32},
        "descriptor": {"widths": [16, 32]},
        "transforms": {"shorter_side": None, "crop": 128, "flip": True, "flip_vertical": True},
        "training": {
            "iterations": 600,
            "learning_rate": 5.0e-4,
            "schedule": "cosine",
            "validate_every": 200,
            "checkpoint_every": 100,
        },
    },
}

GRIDS: dict[str, Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    # Table 1's rows b, d, e and f.
    "learnt": {
        "learnt": {
            "gradients_exponents": {"descriptor": {"name": "gradients"}},
            "exponents": {"loss": {"features": False}},
            "features": {"loss": {"exponents": False}},
            "both": {},
        },
    },
}
