"""What is to be seen of embeddings: similarity to a pixel, and directions of most variance as colours."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.evaluations.embedding.components import COLOURS, coloured, fit
from trainers.page.embeddings.embedded import Embedded

LEVELS = 65535  # between the least and the most similar: networks differ in which part of them matters
MOST_FITTED = 20_000  # vectors from which components are found, of all pictures together


def similarity(several: Sequence[Embedded], chosen: int, y: float, x: float) -> dict[str, Any]:
    """Returns the similarity of all vectors to the one at a pixel, the dot product of vectors of length 1, as JSON.

    Args:
        chosen: which of the pictures the pixel is in.
        y, x: in pixels of that picture itself.

    Returns:
        `maps`, of each picture two bytes for each vector, from `low` to `high`; `best`, where each is most similar, in
        pixels of the picture itself; and `middle`, the median of all.
    """
    row, column = several[chosen].cell(y, x)
    vector = several[chosen].vectors[row, column]
    found = [np.clip(one.vectors @ vector, -1, 1) for one in several]
    low, high = min(float(one.min()) for one in found), max(float(one.max()) for one in found)
    every = np.concatenate([one.ravel() for one in found])
    at = several[chosen].pixel(row, column)
    return {
        **{"low": low, "high": high, "middle": float(np.median(every)), "at": {"y": at[0], "x": at[1]}},
        "maps": [_coded((one - low) * (LEVELS / max(high - low, 1e-6)), np.uint16) for one in found],
        "best": [_best(one, of) for one, of in zip(several, found, strict=True)],
    }


def components(several: Sequence[Embedded]) -> dict[str, Any]:
    """Returns the first three principal components of all pictures' vectors as colours on one scale, as JSON."""
    every = -(-sum(one.vectors[..., 0].size for one in several) // MOST_FITTED)
    # A step along all vectors of a picture one after the other, so that they are from everywhere in it.
    some = [one.vectors.reshape(1, -1, one.vectors.shape[2])[:, ::every] for one in several]
    found = fit(some)
    shares = found.shares
    colours = coloured([found.projected(one.vectors) for one in several])
    return {
        "maps": [_coded(one, np.uint8) for one in colours],
        "shares": [] if shares is None else shares[:COLOURS].tolist(),
    }


def _best(embedded: Embedded, found: NDArray[np.float32]) -> dict[str, float]:
    row, column = np.unravel_index(int(found.argmax()), found.shape)
    y, x = embedded.pixel(int(row), int(column))
    return {"y": y, "x": x, "value": float(found[row, column])}


def _coded(values: NDArray[Any], kind: type[np.uint8 | np.uint16]) -> dict[str, Any]:
    return {
        "height": values.shape[0],
        "width": values.shape[1],
        "bytes": b64encode(np.rint(values).astype(np.dtype(kind).newbyteorder("<")).tobytes()).decode(),
    }
