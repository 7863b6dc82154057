"""One fine-tuning, from an encoder to how well it tells the classes of images held out."""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from trainers.engine.devices import is_main_process
from trainers.engine.loop import fit
from trainers.evaluations.classification.evaluation import EVALUATION
from trainers.evaluations.classification.model import Classifier
from trainers.evaluations.classification.options import ClassificationOptions
from trainers.evaluations.classification.task import Classification, as_targets
from trainers.evaluations.job import Job
from trainers.evaluations.labelled_images.images import Crop, LabelledImages, said
from trainers.evaluations.labelled_images.job import open_images, run_name
from trainers.evaluations.labelled_images.measure import CONFUSION, TOP_1, TOP_5, Missing, accuracies, predictions
from trainers.evaluations.labelled_images.pictures import Said, confusion_sheet, images_sheet, shown_rows
from trainers.evaluations.labelled_images.rows import accuracy_row, class_rows, precision_rows
from trainers.evaluations.labelled_images.sides import Labelled
from trainers.evaluations.result import Picture, Result, Row
from trainers.evaluations.start import load_start_encoder
from trainers.metrics.average_precision import AveragePrecision

SINGLE = (
    "How many of 100 images held out are of the class that is said (top-1), or of one of five (top-5), after "
    "fine-tuning all layers{}. Recall: of the images of a class. By chance all classes are said as often; the most "
    "frequent classes are those of the images to train on."
)
SEVERAL = (
    "Average precision in percent on images held out, after fine-tuning all layers{}: at 11 recalls, as VOC 2007 has "
    "it and its papers report, and as the area under the curve, which VOC has since 2010. Means are over the classes. "
    "What is hard to tell does not count."
)
IMAGES = "Some of the images held out, as the network sees them, what it says, and what is true."
CONFUSIONS = "Which classes are taken for which."
MOST_NAMED = 100
"""Classes: of more, the table has no row for each."""

SHOWN = {"pictured": None, "crops": None}
"""The options that no weight depends on."""


def run(job: Job) -> Result:
    """Fine-tunes, or takes a killed run up again, and measures.

    Raises:
        UserError: images or weights cannot be used, or see `trainers.engine.loop.fit`.
    """
    options: ClassificationOptions = job.options
    train, validation = open_images(job)
    net = Classifier(load_start_encoder(job, options.training.seed), len(train.classes))
    task = Classification(options, net)
    seed, transforms, training = options.training.seed, options.transforms, options.training
    learnt = LabelledImages(train, Crop(transforms, seed, train=True))
    fit(task, learnt, None, training, job.runs / run_name(EVALUATION, job, train, SHOWN), job.machine)
    crops = Crop(transforms, seed, train=False, count=options.crops)
    images, missing = LabelledImages(validation, crops), Missing()
    counted = {"batch": training.batch_size // training.accumulation, "workers": job.machine.workers}
    if options.data.several:
        rows, pictures = several_labels(task, images, options.data.title, counted, missing), []
    else:
        rows, confusion = single_labels(task, images, train, options.data.title, counted, missing)
        drawn = confusion_sheet(f"{job.experiment}, from {job.start}", train.classes, confusion)
        pictures = [Picture("confusion", drawn, CONFUSIONS)]
    if options.pictured and is_main_process():
        pictures.insert(0, Picture("images", draw(job, task, images), IMAGES))
    unread = said(task.unread, "images to train on") + said(missing.noted, "images held out", missing.count)
    averaged = f", by the mean of {options.crops} random crops" if options.crops > 1 else ""
    return Result(
        rows,
        tuple(pictures) if options.pictured else (),
        {"iterations": training.iterations, "images": len(train)},
        (SEVERAL if options.data.several else SINGLE).format(averaged) + unread,
    )


def probabilities(task: Classification, image: Tensor) -> Tensor:
    """Returns what the network says of images, as if one of several classifiers: `(B, 1, classes)`, in [0, 1]."""
    scores: Tensor = task.net(image).double()
    return (scores.softmax(dim=1) if task.options.loss == "softmax" else scores.sigmoid())[:, None]


def single_labels(
    task: Classification, images: LabelledImages, learnt: Labelled, title: str, how: Mapping[str, int], missing: Missing
) -> tuple[tuple[Row, ...], Tensor]:
    """Returns the rows of images with one class each, and which classes are taken for which, `(C, C)`.

    Args:
        how: `batch` and `workers`, see `predictions`.
    """
    classes = images.images.classes
    metrics = accuracies(len(classes)).to(next(task.parameters()).device)
    for labels, said_of in predictions(task.net, partial(probabilities, task), images, missing=missing, **how):
        metrics.update(said_of[:, 0], labels)
    measured = metrics.compute()
    confusion = measured[CONFUSION].cpu()
    counts = torch.bincount(torch.from_numpy(learnt.labels), minlength=len(classes))
    rows = [
        accuracy_row(title, metric, float(measured[metric]), counts, confusion)
        for metric in (TOP_1, TOP_5)
        if metric in measured
    ]
    rows += class_rows(title, classes, confusion) if len(classes) <= MOST_NAMED else ()
    return tuple(rows), confusion


def several_labels(
    task: Classification, images: LabelledImages, title: str, how: Mapping[str, int], missing: Missing
) -> tuple[Row, ...]:
    """Returns the rows of images with several classes each; see `single_labels`."""
    classes, labels = images.images.classes, torch.from_numpy(images.images.labels)
    metric = AveragePrecision(len(classes)).to(next(task.parameters()).device)
    for true, said_of in predictions(task.net, partial(probabilities, task), images, missing=missing, **how):
        metric.update(said_of[:, 0], true)
    return precision_rows(title, classes, *metric.compute(), labels, missing.count)


@torch.no_grad()
def draw(job: Job, task: Classification, images: LabelledImages) -> bytes:
    """Draws some images with what the network says: of single labels the likeliest class, of several those above 0.5.

    Of several by the softmax, whose classes share what there is: those with at least half of the likeliest one's.
    """
    task.net.eval()
    device, classes = next(task.parameters()).device, images.images.classes
    shown = []
    for row in shown_rows(images, job.options.pictured):
        sample = images[row]
        each = probabilities(task, sample["image"].to(device))[:, 0].mean(dim=0)
        least = float(each.max())
        if job.options.data.several:
            least = 0.5 if job.options.loss == "sigmoid" else least / 2
        guessed = [(classes[one], float(each[one])) for one in range(len(classes)) if each[one] >= least]
        label = sample["label"]
        true = [one for one, there in zip(classes, as_targets(label[None], len(classes))[0], strict=True) if there == 1]
        shown.append(Said(row, true, guessed))
    title = f"{job.experiment}, from {job.start}: {len(shown)} of {len(images)} images"
    return images_sheet(title, images, shown)
