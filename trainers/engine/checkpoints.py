"""The last checkpoint of a run: all that has to come back for the run to go on as if it had never stopped."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from common_fate.errors import UserError
from common_fate.foreign.checkpoints import check_unpacked
from common_fate.shards.files import write_atomic

CHECKPOINT = "last.ckpt"


def write_checkpoint(run: Path, state: Mapping[str, Any]) -> None:
    """Writes the state of a run, nested dicts and lists of tensors and numbers, into its folder, atomically."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    write_atomic(run / CHECKPOINT, buffer.getvalue())


def read_checkpoint(run: Path) -> dict[str, Any] | None:
    """Returns the state that was written last, on the CPU; None where there is none yet.

    Raises:
        UserError: it is damaged, no file, or unpacks to more than it is.
    """
    try:
        check_unpacked(run / CHECKPOINT)
        state: dict[str, Any] = torch.load(run / CHECKPOINT, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except Exception as error:  # whatever torch makes of a damaged file
        raise unusable(run, error) from error
    return state


def unusable(run: Path, error: Exception) -> UserError:
    """Returns the error for a checkpoint from which training cannot go on."""
    reason = str(error).partition("\n")[0]
    return UserError(f"{run / CHECKPOINT}: cannot be read ({reason}): remove it to train from the start")
