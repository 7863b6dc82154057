"""How good the masks are that clicks make of objects, beside what needs no learning."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import torch

from common_fate.datasets.show import spread
from common_fate.errors import UserError
from common_fate.pictures import Picture as Pixels
from common_fate.progress import progress
from pipeline.sources.archives import Tree
from trainers.evaluations.annotation.baselines import discs, grabcut
from trainers.evaluations.annotation.clicks import Answer, Click, Mask
from trainers.evaluations.annotation.data import Annotated, large, read
from trainers.evaluations.annotation.listing import list_images, none_large
from trainers.evaluations.annotation.measure import Annotator, Measured, measure
from trainers.evaluations.annotation.options import AnnotationOptions
from trainers.evaluations.annotation.pictures import gallery
from trainers.evaluations.annotation.rows import DISCS, GRABCUT, MODEL, about, note_of, rows_of
from trainers.evaluations.job import Job
from trainers.evaluations.result import Picture, Result
from trainers.evaluations.start import load_start_model
from trainers.methods.cmp.apps.annotate import annotate
from trainers.methods.cmp.apps.encoded import encoded_once
from trainers.methods.cmp.model import CMPNet
from trainers.methods.cmp.options import CMPOptions

CAPTION = (
    "Objects from the best to the worst by their last masks: the annotation, the masks after some of the clicks (green "
    "of the object, red not), and GrabCut's after the last."
)


@dataclass(frozen=True)
class Place:
    """An object that is large enough: the places of its image and of itself on it, and its share of the image."""

    image: int
    object: int
    share: float


def run(job: Job) -> Result:
    """Measures how well a network annotates the objects on some images.

    Raises:
        UserError: the weights or an image cannot be used, or no object is large enough; all images are read before the
            first click.
    """
    options: AnnotationOptions = job.options
    net, of = load_start_model(job)
    net.to("cuda" if torch.cuda.is_available() else "cpu")
    tree, images = list_images(options.data)
    places = list(find(tree, images, options))
    if not places:
        raise UserError(none_large(len(images), options.smallest))
    chosen = [places[row] for row in spread([len(places)], options.instances or len(places))[0]]
    share = float(np.mean([place.share for place in chosen]))
    annotators: dict[str, Annotator] = {
        MODEL: partial(clicked, encoded_once(cast(CMPNet, net)), of, options.strength, options.threshold),
        GRABCUT: lambda image: grabcut(image, radius_of(image, share)),
        DISCS: lambda image: discs((image.shape[0], image.shape[1]), radius_of(image, share)),
    }
    measured = []
    for place in progress(chosen, len(chosen), "annotate (objects)"):
        objects = read(tree, images[place.image], options.data)
        try:
            measured.append(measure(place.image, place.object, objects, annotators, options.clicks))
        except UserError as error:
            raise UserError(f"data: {images[place.image].image}: {error}") from error
    from_the_best = sorted(measured, key=lambda one: -one.sessions[MODEL].iou[-1])
    several = [
        (images[one.image].key, read(tree, images[one.image], options.data), one)
        for one in _from_first_to_last(from_the_best, options.pictured)
    ]
    title = f"{job.experiment}, from {job.start}: {len(several)} of {len(measured)} objects"
    pictures = (
        (Picture("objects", gallery(title, several, options.clicks, MODEL, GRABCUT), CAPTION),) if several else ()
    )
    counted = {"images": len(images), "objects": len(places)} | about(measured, options)
    return Result(rows_of(options.data.title, measured, options), pictures, counted, note_of(measured, options))


def find(tree: Tree, images: Sequence[Annotated], options: AnnotationOptions) -> Iterator[Place]:
    """Yields the objects that are large enough, image by image. Every image is read.

    Raises:
        UserError: see `trainers.evaluations.annotation.data.read`.
    """
    for number, one in enumerate(progress(images, len(images), "look for objects (images)")):
        objects = read(tree, one, options.data)
        for place in large(objects, options.smallest):
            yield Place(number, place, float(np.mean(objects.masks[place])))


def clicked(net: CMPNet, of: CMPOptions, strength: float, threshold: float, image: Pixels) -> Answer:
    """Returns what answers clicks on an image as `python -m trainers cmp annotate` does."""

    def answer(clicks: Sequence[Click]) -> Mask:
        positive, negative = (
            [(click.y, click.x) for click in clicks if click.positive == kind] for kind in (True, False)
        )
        return annotate(net, of, image, positive, negative, strength, threshold)

    return answer


def radius_of(image: Pixels, share: float) -> float:
    """Returns the radius, in pixels, of a disc with a share of an image."""
    return float(np.sqrt(share * image.shape[0] * image.shape[1] / np.pi))


def _from_first_to_last(several: Sequence[Measured], count: int) -> list[Measured]:
    """So many, evenly, with the first and the last."""
    places = np.linspace(0, len(several) - 1, min(count, len(several)))
    return [several[round(place)] for place in places]
