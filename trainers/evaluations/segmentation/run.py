"""One training, from an encoder or frozen features to the mean IoU on images held out."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch

from common_fate.progress import progress
from common_fate.shards.record import file_sha256
from trainers.data.transforms import Joint
from trainers.engine.devices import is_main_process
from trainers.engine.loop import fit
from trainers.evaluations.job import Job
from trainers.evaluations.result import Picture, Result
from trainers.evaluations.segmentation.data import MaskedImages
from trainers.evaluations.segmentation.evaluation import EVALUATION
from trainers.evaluations.segmentation.model import FrozenSegmenter, Segmenter
from trainers.evaluations.segmentation.options import SegmentationOptions
from trainers.evaluations.segmentation.pairs import Pair, Side, check_pairs, list_pairs
from trainers.evaluations.segmentation.pictures import draw
from trainers.evaluations.segmentation.rows import iou_rows
from trainers.evaluations.segmentation.task import Segmentation
from trainers.evaluations.start import encoder_name, load_start_encoder, load_start_features
from trainers.metrics.segmentation import confusion_matrix, intersection_over_union

NOTE = (
    "Intersection over union in percent after {}, over all pixels of the images held out. The mean is over the classes "
    "that the masks or the predictions have; a dash: neither has the class."
)
TUNED, FROZEN = "fine-tuning all layers", "training the head of DeepLabv3 on frozen features"
CAPTION = "Images held out, their masks, and what the network predicts. Pixels in grey do not count."


def run(job: Job) -> Result:
    """Fine-tunes, or trains a head on frozen features, or takes a killed run up again, and measures.

    The run itself (checkpoint, TensorBoard) is in a folder of `job.runs`, one for each set of options, weights and
    images.

    Raises:
        UserError: images, masks or weights cannot be used, or see `trainers.engine.loop.fit`.
    """
    options: SegmentationOptions = job.options
    pairs, held_out = list_pairs(options.data)
    net = create_segmenter(job)
    missing = []
    if is_main_process():
        sides: dict[Side, Sequence[Pair]] = {"train": pairs, "validate": held_out}
        watched = {side: progress(of, len(of), f"check masks to {side} on") for side, of in sides.items()}
        missing = check_pairs(watched, options.data)
    task = Segmentation(options, net)
    train = MaskedImages(pairs, options.data, Joint(options.transforms, options.training.seed, train=True))
    # Whole images of any size do not stack into batches, so validation is not the loop's but comes after it.
    fit(task, train, None, options.training, job.runs / _digest(job, pairs), job.machine)
    validation = MaskedImages(held_out, options.data)
    names = options.data.names
    iou = intersection_over_union(confusion_matrix(task.net, validation, len(names), job.machine.workers))
    pictures = []
    if options.pictured and is_main_process():
        title = f"{job.experiment}, from {job.start}: {min(options.pictured, len(held_out))} of {len(held_out)} images"
        pictures.append(Picture("images", draw(title, task.net, validation, names, options.pictured), CAPTION))
    about = {"iterations": options.training.iterations, "images": len(pairs)}
    return Result(
        iou_rows(options.data.title, names, iou, len(held_out)),
        tuple(pictures),
        about,
        NOTE.format(FROZEN if options.frozen else TUNED) + _not_learnt(missing),
    )


def create_segmenter(job: Job) -> Segmenter | FrozenSegmenter:
    """Returns what is to be trained, from the job's weights.

    Raises:
        UserError: the weights cannot be read, or have no such features.
    """
    options: SegmentationOptions = job.options
    seed, classes = options.training.seed, len(options.data.names)
    if not options.frozen:
        return Segmenter(load_start_encoder(job, seed), classes)
    features = load_start_features(job, seed, options.stride)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # so that the head is the same whatever the features
        return FrozenSegmenter(features, classes)


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
