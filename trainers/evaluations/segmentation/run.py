"""One training, from an encoder or frozen features to the mean IoU on images held out."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from common_fate.errors import UserError
from common_fate.progress import progress
from common_fate.shards.record import file_sha256
from trainers.data.transforms import Joint
from trainers.engine.devices import is_main_process
from trainers.engine.loop import fit
from trainers.engine.options import TrainingOptions
from trainers.evaluations.job import Job
from trainers.evaluations.result import Picture, Result, Row
from trainers.evaluations.segmentation.data import MaskedImages
from trainers.evaluations.segmentation.evaluation import EVALUATION
from trainers.evaluations.segmentation.hypercolumn import HypercolumnSegmenter, SparseSamples
from trainers.evaluations.segmentation.model import Ensemble, FrozenSegmenter, Segmenter
from trainers.evaluations.segmentation.options import SegmentationOptions
from trainers.evaluations.segmentation.pairs import Pair, Side, check_pairs, list_pairs
from trainers.evaluations.segmentation.pictures import draw
from trainers.evaluations.segmentation.recipes import hypercolumn_layers
from trainers.evaluations.segmentation.rows import iou_rows
from trainers.evaluations.segmentation.task import Net, Segmentation
from trainers.evaluations.start import Features, encoder_name, load_start_encoder, load_start_features
from trainers.metrics.segmentation import confusion_matrix, intersection_over_union
from trainers.models.encoders import Encoder, strided

NOTE = (
    "Intersection over union in percent after {}, over all pixels of the images held out. The mean is over the classes "
    "that the masks or the predictions have; a dash: neither has the class."
)
FROZEN = "training the head of DeepLabv3 on frozen features"
TUNED = {"linear": "fine-tuning all layers", "hypercolumn": "fine-tuning all layers under a head on hypercolumns"}
ENSEMBLE = " The ensemble is the mean of its class probabilities and those of what was trained from {} in the same way."
CAPTION = "Images held out, their masks, and what the network predicts. Pixels in grey do not count."


def run(job: Job) -> Result:
    """Fine-tunes, or trains a head on frozen features, or takes a killed run up again, and measures.

    Each run itself (checkpoint, TensorBoard) is in a folder of `job.runs`, one for each set of options, weights and
    images.

    Raises:
        UserError: images, masks or weights cannot be used, or see `trainers.engine.loop.fit`.
    """
    options: SegmentationOptions = job.options
    pairs, held_out = list_pairs(options.data)
    starts = _starts(job)
    nets = [create_segmenter(one) for one in starts]
    missing = []
    if is_main_process():
        sides: dict[Side, Sequence[Pair]] = {"train": pairs, "validate": held_out}
        watched = {side: progress(of, len(of), f"check masks to {side} on") for side, of in sides.items()}
        missing = check_pairs(watched, options.data)
    iterations = options.iterations(len(pairs))
    for one, net in zip(starts, nets, strict=True):
        _train(one, net, pairs, iterations)
    net, *others = nets
    validation, names = MaskedImages(held_out, options.data), options.data.names

    def measured(net: nn.Module, of: str = "") -> tuple[Row, ...]:
        iou = intersection_over_union(confusion_matrix(net, validation, len(names), job.machine.workers))
        return iou_rows(options.data.title, names, iou, len(held_out), of=of)

    rows = measured(net)
    if others:
        rows += measured(Ensemble(net, *others), " of the ensemble")
    pictures = []
    if options.pictured and is_main_process():
        title = f"{job.experiment}, from {job.start}: {min(options.pictured, len(held_out))} of {len(held_out)} images"
        pictures.append(Picture("images", draw(title, net, validation, names, options.pictured), CAPTION))
    about = {"iterations": iterations, "images": len(pairs)}
    note = NOTE.format(FROZEN if options.frozen else TUNED[options.head]) + _not_learnt(missing)
    return Result(rows, tuple(pictures), about, note + (ENSEMBLE.format(options.ensemble_with) if others else ""))


def _starts(job: Job) -> list[Job]:
    """What is trained: the job, and the other network of its ensemble, which is another start of the same training."""
    alone = replace(job, options=replace(job.options, ensemble_with=None))
    other = job.options.ensemble_with
    return [alone, replace(alone, start=other, weights=Path(other))] if other else [alone]


def _train(job: Job, net: Net, pairs: Sequence[Pair], iterations: int) -> None:
    """Trains a network in place: its head, where that comes first, then all layers."""
    options: SegmentationOptions = job.options
    joint = Joint(options.transforms, options.training.seed, train=True, swaps=options.swapped)
    sparse = options.head == "hypercolumn"
    images = MaskedImages(pairs, options.data, SparseSamples(joint, options.hypercolumn.pixels) if sparse else joint)
    run = job.runs / _digest(job, pairs)
    # Whole images of any size do not stack into batches, so validation is not the loop's but comes after it.
    if first := round(options.head_first * iterations):
        groups = {name: of for name, of in options.training.groups.items() if name.partition(".")[0] != "encoder"}
        training = _training(replace(options.training, groups=groups), first)
        fit(Segmentation(options, net, head_alone=True), images, None, training, run / "head", job.machine)
    fit(Segmentation(options, net), images, None, _training(options.training, iterations), run, job.machine)


def _training(training: TrainingOptions, iterations: int) -> TrainingOptions:
    try:
        return replace(training, iterations=iterations)
    except ValueError as error:
        raise UserError(f"training.{error}: so many are left of epochs or head_first") from error


def create_segmenter(job: Job) -> Net:
    """Returns what is to be trained, from the job's weights.

    Raises:
        UserError: the weights cannot be read, or have no such features.
    """
    options: SegmentationOptions = job.options
    seed, classes = options.training.seed, len(options.data.names)
    net: Features | Encoder = (
        load_start_features(job, seed, options.stride) if options.frozen else load_start_encoder(job, seed)
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # so that the head is the same whatever it stands on
        if isinstance(net, Features):
            return FrozenSegmenter(net, classes)
        if options.head == "linear":
            return Segmenter(net, classes)
        head = options.hypercolumn
        net = strided(net) if head.strided else net
        return HypercolumnSegmenter(net, classes, hypercolumn_layers(net.name, head.layers), head.hidden)


def _not_learnt(missing: Sequence[str]) -> str:
    return f" No mask to train on has {' or '.join(missing)}." if missing else ""


def _digest(job: Job, pairs: Sequence[Pair]) -> str:
    """Of all that decides what comes out."""
    weights = job.weights and file_sha256(job.weights)
    options = asdict(job.options) | {"pictured": None}
    text = json.dumps([EVALUATION.version, _network_of(job), weights, options, [pair.key for pair in pairs]])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _network_of(job: Job) -> Any:
    """What decides beside the weights which network it is."""
    return [job.method, asdict(job.method_options)] if job.options.frozen else encoder_name(job)
