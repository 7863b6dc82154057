"""The paper's recipe and comparison as presets: options by name, which a config's own go over.

Mahendran, Thewlis and Vedaldi, ACCV 2018, sections 4.1 to 4.3 and 4.5. Nothing here imports torch: Snakemake reads it,
too.
"""

from collections.abc import Mapping
from typing import Any

RECIPES: dict[str, Mapping[str, Any]] = {
    # The paper stops early, by the loss on a validation set, and so has no number of iterations: 200,000 of them are 12
    # epochs of its 1.6 million pairs, of which the best weights are kept. Nor has it a range of scales.
    "paper": {
        "model": {"encoder": "alexnet_torchvision"},
        "loss": {"kind": "ce", "pixels": 512, "variance": 0.0036, "limit": 56.0},
        "colours": {"hue": 0.1, "contrast": [0.2, 1.8], "brightness": 0.12},
        "transforms": {"shorter_side": 256, "scale": [1.0, 1.5], "crop": 224, "flip": True},
        "training": {
            "iterations": 200_000,
            "batch_size": 96,
            "optimizer": "adam",
            "learning_rate": 1.0e-4,
            "betas": [0.9, 0.999],
            "weight_decay": 0.0,
            "schedule": "constant",
            "keep": "best",
        },
    },
    # Not the paper's: ResNet-18 in minutes of a core, with a faster rate and colours that vary less.
    "small": {
        "model": {"encoder": "resnet18"},
        "loss": {"pixels": 256},
        "colours": {"hue": 0.05, "contrast": [0.6, 1.4], "brightness": 0.1},
        "transforms": {"shorter_side": 128, "scale": [0.8, 1.2], "crop": 96, "flip": True},
        "training": {
            "iterations": 1000,
            "batch_size": 16,
            "optimizer": "adamw",
            "learning_rate": 2.0e-3,
            "schedule": "cosine",
            "warmup": 50,
            "weight_decay": 1.0e-4,
            "precision": "bf16-mixed",
            "validate_every": 100,
            "checkpoint_every": 100,
        },
    },
    # Seconds on a few cores, on small videos: what it looks like, and not what it can do.
    "demo": {
        "model": {"encoder": "resnet18", "hidden": 64},
        "loss": {"pixels": 128},
        "colours": {"hue": 0.05, "contrast": [0.6, 1.4], "brightness": 0.1},
        "transforms": {"shorter_side": 96, "crop": 64, "flip": True},
        "training": {
            "iterations": 60,
            "batch_size": 8,
            "optimizer": "adamw",
            "learning_rate": 2.0e-3,
            "schedule": "constant",
            "precision": "bf16-mixed",
            "validate_every": 20,
            "checkpoint_every": 20,
        },
    },
}

GRIDS: dict[str, Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    # Tables 1 and 2, "Motion". The baseline was better with a faster rate.
    "losses": {
        "loss": {
            "kta": {"loss": {"kind": "kta"}},
            "ce": {"loss": {"kind": "ce"}},
            "ce_rev": {"loss": {"kind": "ce_rev"}},
            "direct": {"loss": {"kind": "direct"}},
        },
    },
}
