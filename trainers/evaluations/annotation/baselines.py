"""What needs no learning: discs around clicks, and GrabCut, which begins with one."""

from collections.abc import Sequence

import cv2
import numpy as np

from common_fate.pictures import Picture
from trainers.evaluations.annotation.clicks import Answer, Click, Mask

SEED = 5
"""Pixels, the radius of what a click says for certain to GrabCut: it models colours, of which one pixel has too few."""

ROUNDS = 1  # of GrabCut's two steps, colours and cut, after each click


def discs(size: tuple[int, int], radius: float) -> Answer:
    """Returns what answers with the pixels within `radius` of a positive click that have no negative one nearer."""
    rows, columns = np.ogrid[: size[0], : size[1]]

    def answer(clicks: Sequence[Click]) -> Mask:
        nearest = np.full(size, radius**2)
        inside = np.zeros(size, np.bool_)
        for click in clicks:
            squared = (rows - click.y) ** 2 + (columns - click.x) ** 2
            nearer = squared <= nearest
            nearest[nearer] = squared[nearer]
            inside[nearer] = click.positive
        return inside

    return answer


def grabcut(image: Picture, radius: float) -> Answer:
    """Returns what answers with GrabCut: Rother et al., "GrabCut", SIGGRAPH 2004, as OpenCV has it.

    All clicks are told anew each time: a disc of `SEED` around each is certain, one of `radius` around the first is
    probably of the object, and the rest probably not. On a dozen objects of three data sets that was better than to
    begin with nothing, with everything, or with discs around all positive clicks; three rounds were no better than one.

    Args:
        image: `(H, W, 3)`.
        radius: pixels.
    """
    likely = discs((image.shape[0], image.shape[1]), radius)
    reversed_image = np.ascontiguousarray(image[..., ::-1])

    def answer(clicks: Sequence[Click]) -> Mask:
        labels = np.where(likely(clicks[:1]), cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        for click in clicks:
            cv2.circle(labels, (click.x, click.y), SEED, cv2.GC_FGD if click.positive else cv2.GC_BGD, cv2.FILLED)
        inside = labels & 1 > 0
        if inside.all() or not inside.any():  # there are no colours of the other side to be learnt
            return inside
        cv2.setRNGSeed(0)  # of its k-means, which draws from OpenCV's own
        cv2.grabCut(reversed_image, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), ROUNDS, cv2.GC_INIT_WITH_MASK)
        return np.asarray(labels & 1 > 0)

    return answer
