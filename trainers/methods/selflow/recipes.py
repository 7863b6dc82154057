"""The paper's recipes and ablation as presets: options by name, which a config's own go over.

Liu et al., "SelFlow", CVPR 2019, section 3 and table 2; what it leaves out is DDFlow's (Liu et al., AAAI 2019): Adam at
1e-4, halved every 80,000 iterations, batches of 4. Crops there are 320x896; here they are squares. Nothing here imports
torch: Snakemake reads it, too.
"""

from collections.abc import Mapping
from typing import Any

_HALVED = {"milestones": [80 / 300, 160 / 300, 240 / 300], "gamma": 0.5}
_SMALL = {
    "network": {"name": "small", "frames": 2},
    "transforms": {"shorter_side": None, "crop": 128, "flip": True, "flip_vertical": True},
    "training": {
        "iterations": 20_000,
        "batch_size": 8,
        "optimizer": "adamw",
        "learning_rate": 5.0e-4,
        "schedule": "cosine",
        "warmup": 500,
        "clip_norm": 1.0,
        "weight_decay": 1.0e-4,
        "checkpoint_every": 200,
        "validate_every": 1000,
    },
}

RECIPES: dict[str, Mapping[str, Any]] = {
    # The check from scratch takes everything for occluded: DDFlow begins with 100k iterations without it.
    "noc": {
        "loss": {"kind": "noc", "warmup": 100_000},
        "training": {"iterations": 400_000, "milestones": [0.2, 0.4, 0.6, 0.8], "gamma": 0.5},
    },
    # With `start` and `teacher`: an experiment of the recipe noc.
    "occ": {"loss": {"kind": "occ"}, "training": {"iterations": 300_000, **_HALVED}},
    # With `start`: an experiment of the recipe occ. The paper has no numbers.
    "supervised": {
        "loss": {"kind": "supervised"},
        "transforms": {"jitter": 0.2},
        "training": {"iterations": 100_000, "learning_rate": 1.0e-5, **_HALVED},
    },
    # Not the paper's: the small network from random weights, on exact flow, in hours of a few cores.
    "small": {**_SMALL, "loss": {"kind": "supervised", "exponent": 1.0}},
}

_NONE = {"loss": {"kind": "noc", "occlusion": False}}
GRIDS: dict[str, Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    # Table 2's rows without self-supervision, of the recipe noc.
    "parts": {
        "parts": {
            "two": {**_NONE, "network": {"frames": 2}},
            "three": _NONE,
            "two_occlusion": {"network": {"frames": 2}},
            "three_occlusion": {},
        },
    },
    # Those with it, of the recipe occ, which start from an experiment of noc, their teacher.
    "patches": {
        "patches": {
            "none": {"hallucination": {"shape": "none"}},
            "rectangles": {"hallucination": {"shape": "rectangles"}},
            "superpixels": {"hallucination": {"shape": "superpixels"}},
        },
    },
}
