"""The thesis' recipes and the later release's as presets: options by name, which a config's own go over.

Thewlis, "Objects from Motion", chapters 5 to 7; Thewlis et al., ICCV 2019. Nothing here imports torch: Snakemake reads
it, too.
"""

from collections.abc import Mapping
from typing import Any

# Neither the thesis nor its chapters say how long: the learning rate and Adam are those of chapters 4 and 7.
_FRAMES = {
    "pairs": "truth",
    "transforms": {"shorter_side": None, "crop": 90},
    "training": {
        "iterations": 45_000,
        "batch_size": 16,
        "optimizer": "adam",
        "learning_rate": 1.0e-3,
        "weight_decay": 0.0,
        "milestones": [0.7, 0.9],
    },
}
# Of 162,000 faces.
_RELEASE = {"optimizer": "adam", "amsgrad": True, "learning_rate": 1.0e-3, "weight_decay": 0.0, "gamma": 0.1}
_VARIED = {"jitter": 0.4, "jpeg": [30, 98]}

RECIPES: dict[str, Mapping[str, Any]] = {
    # Section 4.1: the arm.
    "thesis_chapter5_simple": _FRAMES
    | {"model": {"network": "simple", "dimensions": 3}, "loss": {"kind": "dist", "gamma": 0.5, "motion": 0.0}},
    # Section 4.2: the sphere.
    "thesis_chapter5_dilations": _FRAMES
    | {"model": {"network": "dilations", "dimensions": 3}, "loss": {"kind": "dist", "gamma": 0.5, "motion": 0.0}},
    # Sections 4 and 4.2: warped images, five of a pool of 16 between them.
    "thesis_chapter7": {
        "pairs": "warp",
        "model": {"network": "dilations", "dimensions": 64},
        "loss": {"kind": "dist", "gamma": 0.5, "auxiliary": 5, "pool": 16},
        "transforms": {"shorter_side": 100, "crop": 100},
        "warp": {"margin": 15},
        "training": {
            "iterations": 500_000,
            "batch_size": 16,
            "optimizer": "adam",
            "learning_rate": 1.0e-3,
            "weight_decay": 0.0,
            "milestones": [0.7, 0.9],
        },
    },
    # 100 epochs, the rate lowered at 70 and 90.
    "dve_small": {
        "pairs": "warp",
        "model": {"network": "small", "dimensions": 64},
        "loss": {"kind": "dist", "gamma": 0.5, "auxiliary": 1},
        "transforms": {"shorter_side": 100, "crop": 100},
        "warp": {"margin": 15},
        "photometric": _VARIED,
        "training": _RELEASE | {"iterations": 506_000, "batch_size": 32, "milestones": [0.7, 0.9]},
    },
    "dve_hourglass": {
        "pairs": "warp",
        "model": {"network": "hourglass", "dimensions": 64, "normalise": True},
        "loss": {"kind": "dist", "gamma": 0.5, "auxiliary": 1},
        "transforms": {"shorter_side": 136, "crop": 136},
        "warp": {"margin": 20},
        "photometric": _VARIED,
        "training": _RELEASE | {"iterations": 1_012_000, "batch_size": 16, "milestones": [0.5]},
    },
    # Not the thesis': within minutes of two cores, on the arm.
    "small": {
        "pairs": "truth",
        "model": {"network": "simple", "dimensions": 3},
        "loss": {"kind": "dist", "gamma": 0.5, "motion": 0.0},
        "transforms": {"shorter_side": None, "crop": 90},
        "training": {
            "iterations": 3000,
            "batch_size": 16,
            "optimizer": "adam",
            "learning_rate": 1.0e-3,
            "schedule": "cosine",
            "warmup": 100,
            "weight_decay": 0.0,
            "precision": "bf16-mixed",
            "validate_every": 500,
            "checkpoint_every": 100,
        },
    },
    # Seconds on a few cores, on small videos: what it looks like, and not what it can do.
    "demo": {
        "pairs": "truth",
        "model": {"network": "simple", "dimensions": 3},
        "loss": {"kind": "dist", "gamma": 0.5, "motion": 0.0},
        "transforms": {"shorter_side": 90, "crop": 90},
        "training": {
            "iterations": 110,
            "batch_size": 8,
            "optimizer": "adam",
            "learning_rate": 2.0e-3,
            "schedule": "cosine",
            "warmup": 10,
            "weight_decay": 0.0,
            "precision": "bf16-mixed",
            "validate_every": 55,
            "checkpoint_every": 50,
        },
    },
}

GRIDS: dict[str, Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    # Chapter 5, table 1.
    "losses": {
        "loss": {
            "log": {"loss": {"kind": "log"}},
            "dist_1": {"loss": {"kind": "dist", "gamma": 1.0}},
            "dist_05": {"loss": {"kind": "dist", "gamma": 0.5}},
        },
    },
    # Chapter 5, table 2.
    "dimensions": {
        "dimensions": {str(count): {"model": {"dimensions": count}} for count in (2, 3, 5, 20)},
    },
    # Chapter 7, table 4.
    "compression": {
        "dimensions": {
            f"{count}{name}": {"model": {"dimensions": count}, "loss": {"auxiliary": auxiliary}}
            for count in (3, 20)
            for name, auxiliary in (("", 0), ("_compressed", 1))
        },
    },
}
