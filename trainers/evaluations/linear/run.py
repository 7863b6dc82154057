"""One training of a linear classifier for each layer, and how often each is right on images held out."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from trainers.engine.devices import is_main_process
from trainers.engine.loop import fit
from trainers.evaluations.job import Job
from trainers.evaluations.labelled_images.images import Crop, LabelledImages, said
from trainers.evaluations.labelled_images.job import open_images, run_name
from trainers.evaluations.labelled_images.measure import CONFUSION, TOP_1, TOP_5, Missing, accuracies, predictions
from trainers.evaluations.labelled_images.pictures import Said, confusion_sheet, images_sheet, shown_rows
from trainers.evaluations.labelled_images.rows import accuracy_row
from trainers.evaluations.linear.evaluation import EVALUATION
from trainers.evaluations.linear.options import LinearOptions, convolutional
from trainers.evaluations.linear.probes import Probes
from trainers.evaluations.linear.task import Probing
from trainers.evaluations.result import Picture, Result, Row
from trainers.evaluations.start import load_start_encoder

NOTE = (
    "How many of 100 images held out are of the class (top-1) or one of five (top-5) that a linear classifier says, "
    "from the activations of a layer of the frozen encoder. The best layer is the best on these images. By chance all "
    "classes are said as often; the most frequent classes are those of the images to train on."
)
IMAGES = "Some images held out, as the encoder sees them, what the best layer's classifier says, and what is true."
CONFUSIONS = "Which classes the best layer's classifier takes for which."


Measured = Mapping[str, Mapping[str, Tensor]]
"""What was counted, by layer; see `accuracies`."""


def run(job: Job) -> Result:
    """Trains a linear classifier on each layer, or takes a killed run up again, and measures.

    Raises:
        UserError: images or weights cannot be used, or see `trainers.engine.loop.fit`.
    """
    options: LinearOptions = job.options
    train, validation = open_images(job)
    net = create_probes(job, len(train.classes))
    task = Probing(options, net)
    seed, transforms, training = options.training.seed, options.transforms, options.training
    learnt = LabelledImages(train, Crop(transforms, seed, train=True))
    fit(task, learnt, None, training, job.runs / run_name(EVALUATION, job, train, {"pictured": None}), job.machine)
    images, missing = LabelledImages(validation, Crop(transforms, seed, train=False)), Missing()
    measured = measure(task.net, images, training.batch_size // training.accumulation, job.machine.workers, missing)
    best = max(measured, key=lambda name: float(measured[name][TOP_1]))
    counts = torch.bincount(torch.from_numpy(train.labels), minlength=len(train.classes))
    about = {"iterations": training.iterations, "images": len(train), "elements": task.net.elements, "best": best}
    unread = said(task.unread, "images to train on") + said(missing.noted, "images held out", missing.count)
    return Result(
        rows_of(options.data.title, measured, best, counts),
        pictures_of(job, task.net, images, best, measured[best][CONFUSION]) if is_main_process() else (),
        about,
        NOTE + unread,
    )


def create_probes(job: Job, classes: int) -> Probes:
    """Returns the classifiers to be trained, on an encoder with the job's weights.

    Raises:
        UserError: the weights cannot be read.
        ValueError: the encoder lacks a layer.
    """
    options: LinearOptions = job.options
    encoder = load_start_encoder(job, options.training.seed)
    layers = options.layers or convolutional(tuple(encoder.layers))
    return Probes(encoder, layers, classes, options.transforms.crop, options.elements, options.normalised)


def measure(net: Probes, images: LabelledImages, batch: int, workers: int, missing: Missing) -> Measured:
    """Counts how often each layer's classifier is right; see `accuracies`."""
    device = next(net.parameters()).device
    metrics = {name: accuracies(len(images.images.classes)).to(device) for name in net.layers}
    for labels, probabilities in predictions(net, net.probabilities, images, batch, workers, missing):
        for metric, one in zip(metrics.values(), probabilities.unbind(1), strict=True):
            metric.update(one, labels)
    return {name: metric.compute() for name, metric in metrics.items()}


def rows_of(title: str, measured: Measured, best: str, learnt: Tensor) -> tuple[Row, ...]:
    """Returns the accuracies of the best layer, then of each; see `accuracy_row`."""
    rows = []
    for layer, called in ((best, "{} of the best layer"), *((name, "{}") for name in measured)):
        of = measured[layer]
        subset = layer if called == "{}" else ""
        for metric in (TOP_1, TOP_5):
            if metric in of:
                row = accuracy_row(title, metric, float(of[metric]), learnt.cpu(), of[CONFUSION].cpu(), subset)
                rows.append(replace(row, metric=called.format(metric)))
    return tuple(rows)


@torch.no_grad()
def pictures_of(job: Job, net: Probes, images: LabelledImages, best: str, confusion: Tensor) -> tuple[Picture, ...]:
    """Draws some images with what the best layer's classifier says, and what it takes for what."""
    if not job.options.pictured:
        return ()
    net.eval()
    device, classes = next(net.parameters()).device, images.images.classes
    shown = []
    for row in shown_rows(images, job.options.pictured):
        sample = images[row]
        probability, guess = net(sample["image"].to(device))[best].float().softmax(1)[0].max(0)
        true = [] if sample["problem"] else [classes[sample["label"]]]
        shown.append(Said(row, true, [(classes[guess], float(probability))]))
    title = f"{job.experiment}, from {job.start}: {best}, {len(shown)} of {len(images)} images"
    return (
        Picture("images", images_sheet(title, images, shown), IMAGES),
        Picture(
            "confusion", confusion_sheet(f"{job.experiment}, from {job.start}: {best}", classes, confusion), CONFUSIONS
        ),
    )
