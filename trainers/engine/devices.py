"""What a run computes on: one process of one device, or as many as torchrun started."""

import logging
import os

import cv2
import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from trainers.engine.options import Machine, TrainingOptions

for package in ("lightning.fabric", "lightning.pytorch"):  # they announce each process and its precision
    logging.getLogger(package).setLevel(logging.WARNING)


def start_fabric(options: TrainingOptions, machine: Machine) -> Fabric:
    """Returns Lightning Fabric, which has the devices, the precision and the processes of a run."""
    cv2.setNumThreads(1)
    if machine.threads:
        torch.set_num_threads(machine.threads)
    torch.set_float32_matmul_precision("high")
    local, world = (int(os.environ.get(name, 1)) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    fabric = Fabric(
        accelerator="auto",
        devices=local,
        num_nodes=world // local,
        strategy="ddp" if world > 1 else "auto",
        precision=options.precision,  # type: ignore[arg-type]
        # Said outright: Lightning would take the tasks of a SLURM job for its processes, which torchrun starts here.
        plugins=TorchElasticEnvironment() if "WORLD_SIZE" in os.environ else LightningEnvironment(),
    )
    fabric.launch()
    return fabric


def is_main_process() -> bool:
    """Returns whether this process is the one of its run that writes files."""
    return os.environ.get("RANK", "0") == "0"
