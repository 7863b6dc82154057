"""Guided video generation: an image moves as its guidance pulls it, like a marionette (section 4.3)."""

from collections.abc import Iterator

from numpy.typing import ArrayLike

from common_fate.pictures import Picture
from trainers.methods.cmp.apps.encoded import encoded_once
from trainers.methods.cmp.apps.predict import as_image, predict_flow, shortened
from trainers.methods.cmp.apps.warping import fill_holes, forward_warp
from trainers.methods.cmp.model import CMPNet
from trainers.methods.cmp.options import CMPOptions


def animate(net: CMPNet, options: CMPOptions, image: Picture, guidance: ArrayLike, frames: int) -> Iterator[Picture]:
    """Yields the image, and the image moved ever farther, up to the whole of its guidance.

    Guidance is continuous, as in the paper: frame i of n is told i / (n - 1) of each vector, its flow is predicted from
    that, and it is warped from the first image, so that no frame blurs the next.

    Args:
        image: `(H, W, 3)`.
        guidance: `(N, 4)` rows of y, x, dy, dx in pixels of the image.
        frames: how many, from 2 up.

    Yields:
        `(H, W, 3)`; the first is the image itself.

    Raises:
        UserError: as `predict_flow`.
    """
    vectors = shortened(net, options, image.shape[:2], guidance)
    yield image
    for i in range(1, frames):
        share = vectors * (1, 1, i / (frames - 1), i / (frames - 1))
        flow = predict_flow(encoded_once(net), options, as_image(image), share).numpy()
        yield fill_holes(forward_warp(image, flow))
