"""The paper's recipe and ablations as presets: options by name, which a config's own go over.

Zhang and Maire, "Self-Supervised Visual Representation Learning from Hierarchical Grouping", NeurIPS 2020, sections 4.2
and 5.1. Nothing here imports torch: Snakemake reads it, too.
"""

from collections.abc import Mapping
from typing import Any

# 80 epochs of the 10,582 images of PASCAL's train_aug and the 82,783 of COCO's train2014: 93,365 * 80 / 70. Of PASCAL
# alone the paper has 400 epochs, 60,500 iterations.
_ITERATIONS = 106_700

RECIPES: dict[str, Mapping[str, Any]] = {
    "paper": {
        "model": {"encoder": "resnet50", "strides": [8, 16]},
        "sampling": {"anchors": 7, "positives": 10, "negatives": 5, "cross_image_negatives": 5},
        "loss": {"form": "log", "temperature": 1.0},
        "transforms": {"shorter_side": 256, "crop": 224, "flip": True, "jitter": 0.4, "area": [0.2, 1.0]},
        "training": {
            "iterations": _ITERATIONS,
            "batch_size": 70,
            "optimizer": "adam",
            "learning_rate": 1.0e-2,
            "milestones": [25 / 80, 45 / 80, 60 / 80],
            "gamma": 0.1,
        },
    },
    # Not the paper's: within two hours of two cores.
    "small": {
        "model": {"encoder": "resnet18", "strides": [8, 16]},
        "transforms": {"shorter_side": 144, "crop": 128, "flip": True, "jitter": 0.4, "area": [0.2, 1.0]},
        "training": {
            "iterations": 5000,
            "batch_size": 32,
            "optimizer": "adamw",
            "learning_rate": 2.0e-3,
            "schedule": "cosine",
            "warmup": 100,
            "weight_decay": 1.0e-4,
            "precision": "bf16-mixed",
            "validate_every": 500,
            "checkpoint_every": 100,
        },
    },
    # Seconds on a few cores, on small videos: what it looks like, and not what it can do.
    "demo": {
        "model": {"encoder": "resnet18", "strides": [8, 16]},
        "transforms": {"shorter_side": 96, "crop": 96, "flip": True, "jitter": 0.4, "area": [0.2, 1.0]},
        "training": {
            "iterations": 40,
            "batch_size": 8,
            "optimizer": "adamw",
            "learning_rate": 2.0e-3,
            "precision": "bf16-mixed",
            "validate_every": 20,
            "checkpoint_every": 20,
        },
    },
}

GRIDS: dict[str, Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "parts": {
        # Regions alone, as in SegSort, or the tree of them.
        "distances": {"flat": {"sampling": {"distances": "flat"}}, "tree": {"sampling": {"distances": "tree"}}},
        # Table 1, below, and figure 3.
        "cross": {
            "none": {"sampling": {"cross_image_negatives": 0}},
            "5": {"sampling": {"cross_image_negatives": 5}},
            "20": {"sampling": {"cross_image_negatives": 20}},
        },
        # Equation 1 as printed, or the logarithm of its terms.
        "form": {"sum": {"loss": {"form": "sum"}}, "log": {"loss": {"form": "log"}}},
        "views": {"one": {"sampling": {"second_view": False}}, "two": {"sampling": {"second_view": True}}},
    },
}
