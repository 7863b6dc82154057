"""Masks of clicks, with what was computed last kept: another threshold costs nothing, another click no encoding."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from common_fate.errors import UserError
from trainers.methods.cmp.apps.annotate import Response, above, response
from trainers.methods.cmp.apps.annotator.document import Drawn
from trainers.methods.cmp.apps.annotator.masks import Mask
from trainers.methods.cmp.apps.annotator.store import Opened
from trainers.methods.cmp.apps.encoded import encoded_once
from trainers.methods.cmp.model import CMPNet
from trainers.methods.cmp.options import CMPOptions
from trainers.page.models import Models

MOST_KEPT = 8


class Clicks:
    """Computes the masks of clicks with the models of a page."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._kept: OrderedDict[tuple[Any, ...], Response] = OrderedDict()

    def load(self, model: str) -> tuple[CMPNet, CMPOptions]:
        """Returns a model by name, and its options.

        Raises:
            UserError: there is none (any more), or it is of another method.
        """
        trained = self._models.load(model)
        if not isinstance(trained.net, CMPNet):
            raise UserError(f"the model {model} is of {trained.method.name}, and clicks need one of cmp")
        return trained.net, trained.options

    def mask(self, image: Opened, drawn: Drawn) -> Mask:
        """Returns the mask of an object's clicks, `(h, w)` at the size that is worked at.

        Raises:
            UserError: the model is gone, or the image is a strip.
        """
        net, options = self.load(drawn.model)
        key = (image.sha256, net, drawn.points)
        if key not in self._kept:
            positive, negative = _places(image, drawn, True), _places(image, drawn, False)
            self._kept[key] = response(encoded_once(net), options, image.picture, positive, negative)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return above(self._kept[key], drawn.threshold)


def _places(image: Opened, drawn: Drawn, positive: bool) -> Any:
    """Rows of y and x in pixels of what is worked at, `(N, 2)`."""
    rows = [(point.y, point.x) for point in drawn.points if point.positive == positive]
    work = np.array(image.picture.shape[:2])
    places = (np.array(rows, np.float64).reshape(-1, 2) + 0.5) * work / image.size - 0.5
    return np.clip(places, 0, work - 1)
