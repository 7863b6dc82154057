"""What a run computes on: one process of one device, or as many as torchrun started."""

import logging
import os
from typing import Any

import cv2
import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.plugins.precision import MixedPrecision

from trainers.engine.options import Machine, TrainingOptions

for package in ("lightning.fabric", "lightning.pytorch"):  # they announce each process and its precision
    logging.getLogger(package).setLevel(logging.WARNING)
_log = logging.getLogger(__name__)

_BF16 = ("amx_bf16", "avx512_bf16", "bf16")
"""What CPUs call their arithmetic in bfloat16: x86-64's two kinds, and ARM's."""


class Autocast(MixedPrecision):
    """Mixed precision within the network alone.

    Lightning's own rounds all floating point numbers of a batch to 8 bits before that: motion and places, too.
    """

    def convert_input(self, data: Any) -> Any:
        """Returns a batch as it is."""
        return data


def start_fabric(options: TrainingOptions, machine: Machine) -> Fabric:
    """Returns Lightning Fabric, which has the devices, the precision and the processes of a run.

    A CPU that has no arithmetic of bf16 computes in 32 bits: it would only imitate it, some thirty times slower.
    """
    cv2.setNumThreads(1)
    if machine.threads:
        torch.set_num_threads(machine.threads)
    torch.set_float32_matmul_precision("high")
    local, world = (int(os.environ.get(name, 1)) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    # Said outright: Lightning would take the tasks of a SLURM job for its processes, which torchrun starts here.
    plugins: list[Any] = [TorchElasticEnvironment() if "WORLD_SIZE" in os.environ else LightningEnvironment()]
    if mixed := _precision_here(options.precision) == "bf16-mixed":
        plugins.append(Autocast("bf16-mixed", "cuda" if torch.cuda.is_available() else "cpu"))
    fabric = Fabric(
        accelerator="auto",
        devices=local,
        num_nodes=world // local,
        strategy="ddp" if world > 1 else "auto",
        precision=None if mixed else "32-true",
        plugins=plugins,
    )
    fabric.launch()
    return fabric


def _precision_here(precision: str) -> str:
    able = torch.cpu.get_capabilities()
    if precision != "bf16-mixed" or torch.cuda.is_available() or any(able.get(name) for name in _BF16):
        return precision
    if is_main_process():
        _log.warning("precision: this CPU has no arithmetic of bf16-mixed, and computes with 32-true")
    return "32-true"


def is_main_process() -> bool:
    """Returns whether this process is the one of its run that writes files."""
    return os.environ.get("RANK", "0") == "0"
