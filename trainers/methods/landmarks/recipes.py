"""The paper's recipe, and a small one, as presets: options by name, which a config's own go over.

Thewlis et al., "Unsupervised learning of object landmarks by factorized spatial embeddings", ICCV 2017, section 4.1.
Nothing here imports torch: Snakemake reads it, too.
"""

from collections.abc import Mapping
from typing import Any

RECIPES: dict[str, Mapping[str, Any]] = {
    # The paper says neither how long nor in which batches, nor m; sizes and warps are those of the code that its
    # authors published with "Unsupervised Learning of Landmarks by Descriptor Vector Exchange", ICCV 2019: faces of
    # 100x100 pixels, of which warping leaves 70x70.
    "thesis": {
        "model": {"landmarks": 50},
        "warp": {"margin": 15},
        "loss": {"diversity": 500.0, "pooling": 4},
        "transforms": {"shorter_side": 100, "crop": 100},
        "training": {
            "iterations": 500_000,
            "batch_size": 32,
            "optimizer": "adam",
            "learning_rate": 1.0e-4,
            "weight_decay": 5.0e-4,
            "milestones": [0.8, 0.9],
        },
    },
    # Not the paper's: within an hour of two cores.
    "small": {
        "model": {"landmarks": 20, "rectified": False},
        "warp": {"margin": 8},
        "transforms": {"shorter_side": 80, "crop": 80},
        "training": {
            "iterations": 4000,
            "batch_size": 16,
            "optimizer": "adamw",
            "learning_rate": 1.0e-3,
            "weight_decay": 5.0e-4,
            "schedule": "cosine",
            "warmup": 100,
            "validate_every": 500,
            "checkpoint_every": 100,
        },
    },
}
