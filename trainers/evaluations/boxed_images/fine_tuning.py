"""One training of a detector, from an encoder to what it finds on the images that validate."""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import nn

from common_fate.shards.record import file_sha256
from trainers.declarations import Evaluation
from trainers.engine.devices import is_main_process
from trainers.engine.loop import fit
from trainers.evaluations.boxed_images.data import BoxedImages, Proposals, collate
from trainers.evaluations.boxed_images.images import Boxed
from trainers.evaluations.boxed_images.listing import check_shapes, list_images
from trainers.evaluations.boxed_images.options import DetectorOptions
from trainers.evaluations.boxed_images.pictures import draw
from trainers.evaluations.boxed_images.predict import find, truth_of
from trainers.evaluations.boxed_images.shapes import Runs
from trainers.evaluations.boxed_images.survey import surveyed
from trainers.evaluations.boxed_images.task import Detecting
from trainers.evaluations.job import Job
from trainers.evaluations.result import Picture, Result, Row
from trainers.evaluations.start import encoder_name, load_start_encoder
from trainers.metrics.detection import Found, Truth
from trainers.models.encoders import Encoder

CAPTION = (
    "Images that validate, what their annotations say, and what the network finds: from a score of 0.5 up, or the best."
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Learning:
    """What a detector is to learn, and which.

    Args:
        network: from an encoder, the number of classes and the options to one of torchvision's detectors.
        masks: whether it learns masks as well.
        proposals: see `BoxedImages`.
    """

    evaluation: Evaluation
    network: Callable[[Encoder, int, DetectorOptions], nn.Module]
    masks: bool
    proposals: Proposals | None = None


@dataclass(frozen=True)
class Learnt:
    """What a trained detector finds on the images that validate, and what is there."""

    found: Sequence[Found]
    truth: Sequence[Truth]
    sizes: Sequence[tuple[int, int]]
    names: tuple[str, ...]
    pictures: tuple[Picture, ...]
    trained_on: int
    iterations: int
    notes: str

    def result(self, rows: Sequence[Row], note: str) -> Result:
        """Returns the rows with the pictures and with what has to be said."""
        about = {"iterations": self.iterations, "images": self.trained_on}
        return Result(tuple(rows), self.pictures, about, note + self.notes)


def fine_tune(job: Job, how: Learning) -> Learnt:
    """Fine-tunes a detector, or takes a killed run up again, and runs it on the images that validate.

    The run itself (checkpoint, TensorBoard) is in a folder of `job.runs`, one for each set of options, weights and
    images.

    Raises:
        UserError: images, boxes, masks or weights cannot be used, or see `trainers.engine.loop.fit`.
    """
    options: DetectorOptions = job.options
    data, workers, seed = options.data, job.machine.workers, options.training.seed
    images = list_images(data)
    if how.masks:
        check_shapes([*images.train, *images.validation])
    net = create_detector(job, how, len(images.classes))
    train, seen = surveyed(images.tree, images.train, "check images to train on", workers, options.longest)
    validation, held_out = surveyed(
        images.tree, images.validation, "check images to validate on", workers, options.longest
    )
    if not data.negatives:
        train = [one for one in train if one.counted.any()]
    notes = _missing(train, images.classes) + seen.notes("train") + held_out.notes("validate")
    if notes and is_main_process():
        _log.warning("data:%s", notes)

    frozen = job.weights is not None if options.frozen_norm is None else options.frozen_norm
    task = Detecting(options, net, frozen)
    samples = BoxedImages(images.tree, train, seed, options.flip, how.masks, how.proposals)
    # Images of any size are measured one by one, so validation is not the loop's but comes after it.
    fit(task, samples, None, options.training, job.runs / _digest(job, how, train), job.machine, collate)
    found = find(task.net, BoxedImages(images.tree, validation, seed, False, False, how.proposals), workers)
    truth = truth_of(validation, how.masks)
    pictures = []
    if options.pictured and is_main_process():
        title = f"{job.experiment}, from {job.start}: {min(options.pictured, len(found))} of {len(found)} images"
        sheet = draw(title, images.tree, validation, truth, found, images.classes, options.pictured)
        pictures.append(Picture("images", sheet, CAPTION))
    sizes = [one.size for one in validation if one.size is not None]
    return Learnt(
        *(found, truth, sizes, images.classes, tuple(pictures)),
        *(len(train), options.training.iterations, notes),
    )


def create_detector(job: Job, how: Learning, classes: int) -> nn.Module:
    """Returns what is to be trained, from the job's weights; its heads are the same whatever these are.

    Raises:
        UserError: the weights cannot be read.
    """
    seed = job.options.training.seed
    encoder = load_start_encoder(job, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return how.network(encoder, classes, job.options)


def _missing(train: Sequence[Boxed], names: Sequence[str]) -> str:
    """A sentence on the classes that no object to train on has."""
    there = {label for one in train for label in one.labels[one.counted].tolist()}
    missing = [name for label, name in enumerate(names) if label not in there]
    if not missing:
        return ""
    more = f" and {len(missing) - 8} more" if missing[8:] else ""
    return f" No object to train on is of {', '.join(missing[:8])}{more}."


def _digest(job: Job, how: Learning, train: Sequence[Boxed]) -> str:
    """Of all that decides what comes out of the training."""
    weights = job.weights and file_sha256(job.weights)
    options = asdict(job.options) | {"pictured": None}
    drawn = hashlib.sha256()
    for one in train:
        drawn.update(one.key.encode() + one.boxes.tobytes() + one.labels.tobytes() + one.counted.tobytes())
        for shape in one.shapes:
            for part in (shape.counts,) if isinstance(shape, Runs) else shape:
                drawn.update(part.tobytes())
    facts = [how.evaluation.name, how.evaluation.version, encoder_name(job), weights, options, drawn.hexdigest()]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]
