"""The paper's recipes and ablations as presets: options by name, which a config's own go over.

Zhan et al., "Self-Supervised Learning via Conditional Motion Propagation", CVPR 2019, sections 4 ("Training Details")
and 4.2. Where the published code differs, a comment has its value. Nothing here imports torch: Snakemake reads it, too.
"""

from collections.abc import Mapping
from typing import Any

# All of them: shorter side 416, crop 384; SGD at 0.1, momentum 0.9, weight decay 1e-4, a tenth after 2/3.5 and 3/3.5.
_TRANSFORMS = {"shorter_side": 416, "crop": 384}

RECIPES: dict[str, Mapping[str, Any]] = {
    # YFCC and YouTube9K. The paper has neither the batch (12 on each of 16 GPUs) nor the most points: the code's.
    "alexnet": {
        "model": {"encoder": "alexnet"},
        "guidance": {"kernel_size": 81, "grid_stride": 200, "max_points": 150},
        "transforms": _TRANSFORMS,
        "training": {"iterations": 140_000, "batch_size": 192},
    },
    # YFCC. The batch (10 on each of 16 GPUs) is the code's: 42k of them are 5.3 epochs. For VOC's segmentation the code
    # has crop 320, K 67, G 165; for instances of COCO shorter side 333, crop 256, K 49, G 133, batch 256.
    "resnet50": {
        "model": {"encoder": "resnet50"},
        "guidance": {"kernel_size": 81, "grid_stride": 200},
        "transforms": _TRANSFORMS,
        "training": {"iterations": 42_000, "batch_size": 160},
    },
    # All four datasets, with K and G for all of them as in the code: the paper has these for the videos of people. The
    # code's crop is 320.
    "parsing": {
        "model": {"encoder": "resnet50"},
        "guidance": {"kernel_size": 15, "grid_stride": 80},
        "transforms": _TRANSFORMS,
        "training": {"iterations": 70_000, "batch_size": 160},
    },
    # Semi-automatic annotation, section 4.3, which has no values: they are the code's (8 on each of 8 GPUs).
    "annotation": {
        "model": {"encoder": "resnet50", "decoder": "skip"},
        "guidance": {"kernel_size": 41, "grid_stride": 131},
        "transforms": _TRANSFORMS,
        "training": {"iterations": 42_000, "batch_size": 64},
    },
    # Not the paper's: the small model whose weights come with the project (`start: shipped`), and how it goes on.
    "small": {
        "model": {"encoder": "resnet18_c4", "decoder": "skip", "width": 96},
        "loss": {"bins": 63, "limit": 32.0},
        "guidance": {"kernel_size": 17, "grid_stride": 32},
        "transforms": {"shorter_side": 76, "crop": 64, "flip": True, "jitter": 0.2},
        "training": {
            "iterations": 900,
            "batch_size": 12,
            "learning_rate": 0.03,
            "schedule": "cosine",
            "warmup": 20,
            "clip_norm": 5.0,
            "validate_every": 150,
            "checkpoint_every": 100,
        },
    },
    # Not the paper's: minutes on a few cores, on small videos.
    "demo": {
        "model": {"encoder": "resnet18"},
        "loss": {"bins": 63, "limit": 16.0},
        "guidance": {"kernel_size": 17, "grid_stride": 32},
        "transforms": {"shorter_side": 192, "crop": 64, "flip": True},
        "training": {
            "iterations": 500,
            "batch_size": 16,
            "learning_rate": 0.05,
            "precision": "bf16-mixed",
            "validate_every": 100,
            "checkpoint_every": 100,
        },
    },
}

# Axes, their variants in the order of their plot, and what each variant overrides.
GRIDS: dict[str, Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "paper": {
        # Figure 4: from no guidance, which is Walker et al. (ICCV 2015), to much. The text has K and G of the peak
        # alone (13.5 points on average); denser ones are the code's other settings.
        "guidance": {
            "none": {"guidance": {"points": "none", "grid_stride": None}},
            "g200": {"guidance": {"points": "none", "grid_stride": 200}},
            "k81_g200": {"guidance": {"points": "watershed", "kernel_size": 81, "grid_stride": 200}},
            "k41_g131": {"guidance": {"points": "watershed", "kernel_size": 41, "grid_stride": 131}},
            "k15_g80": {"guidance": {"points": "watershed", "kernel_size": 15, "grid_stride": 80}},
        },
        # Figure 5, left.
        "nets": {
            "s1": {"model": {"strides": [1]}},
            "s1_2": {"model": {"strides": [1, 2]}},
            "s1_2_4": {"model": {"strides": [1, 2, 4]}},
            "s1_2_4_8": {"model": {"strides": [1, 2, 4, 8]}},
        },
        # Figure 5, right, whose last point adds another dataset: a variant with a `train` of its own.
        "data": {
            "quarter": {"train_share": 0.25},
            "half": {"train_share": 0.5},
            "all": {"train_share": 1.0},
        },
    },
}
