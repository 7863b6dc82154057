"""One fine-tuning, from an encoder to the mean IoU on images held out."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from common_fate.errors import UserError
from common_fate.shards.files import write_atomic
from common_fate.shards.record import file_sha256
from trainers.data.transforms import Joint
from trainers.engine.loop import fit, is_main_process
from trainers.engine.options import Machine
from trainers.evaluations.segmentation.data import MaskedImages, Pair, check_pairs, list_pairs
from trainers.evaluations.segmentation.options import VERSION, SegmentationOptions
from trainers.evaluations.segmentation.task import Segmentation
from trainers.metrics.segmentation import confusion_matrix, intersection_over_union
from trainers.models.encoders import Encoder, create_encoder, load_encoder


def segment(encoder: str, weights: Path | None, options: SegmentationOptions, to: Path, machine: Machine) -> None:
    """Fine-tunes, or takes a killed run up again, evaluates, and writes `to`.

    The file has `start`, the stem of its own name; `classes`; `iou` of each class, null for one that neither the masks
    nor the predictions have; `mean_iou` of the others; `iterations`; and `images`, how many were evaluated. The run
    itself (checkpoint, TensorBoard) is beside it in `runs`, one folder for each set of options, weights and images.

    Args:
        encoder: its name, as `create_encoder` knows it.
        weights: what it starts from, see `load_encoder`; by default from scratch.

    Raises:
        UserError: images, masks or weights cannot be used, or see `trainers.engine.loop.fit`.
    """
    pairs, held_out = list_pairs(options.data)
    start = _start(encoder, weights, options.training.seed)
    if is_main_process():
        check_pairs([*pairs, *held_out], options.data)
    task = Segmentation(start, len(options.data.names))
    train = MaskedImages(pairs, options.data, Joint(options.transforms, options.training.seed, train=True))
    # Whole images of any size do not stack into batches, so validation is not the loop's but comes after it.
    run = to.parent / "runs" / _digest(encoder, weights, options, pairs)
    fit(task, train, None, options.training, run, machine)
    validation = MaskedImages(held_out, options.data)
    iou = intersection_over_union(confusion_matrix(task.net, validation, len(options.data.names), machine.workers))
    occurring = [share for share in iou if share is not None]
    if not occurring:
        raise UserError("data: in the masks to validate on, all pixels are ignored: check data.ignore")
    if not is_main_process():
        return
    result = {
        "start": to.stem,
        "classes": options.data.names,
        "iou": iou,
        "mean_iou": sum(occurring) / len(occurring),
        "iterations": options.training.iterations,
        "images": len(held_out),
    }
    write_atomic(to, (json.dumps(result, indent=1) + "\n").encode())


def _start(name: str, weights: Path | None, seed: int) -> Encoder:
    if weights is not None:
        return load_encoder(weights, name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return create_encoder(name)


def _digest(encoder: str, weights: Path | None, options: SegmentationOptions, pairs: Sequence[Pair]) -> str:
    """Of all that decides what comes out."""
    keys = [pair.key for pair in pairs]
    text = json.dumps([VERSION, encoder, weights and file_sha256(weights), asdict(options), keys])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
