"""A picture of features: their first three principal components as red, green and blue."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from common_fate.datasets.show import spread
from common_fate.pictures import Tile, contact_sheet
from common_fate.pictures.sheet import kept
from common_fate.progress import progress
from common_fate.torch.sample import Sample
from trainers.data.split import Split
from trainers.data.views import Side, Views, dataset_name, open_views
from trainers.evaluations.embedding.components import COLOURS, Components, coloured, fit
from trainers.evaluations.embedding.evaluation import EmbeddingOptions
from trainers.evaluations.features import Image, nearest_cells, shrunk, unit_features
from trainers.evaluations.job import Job
from trainers.evaluations.result import ALL, Picture, Result, Row
from trainers.evaluations.start import Features, load_start_features

IN_A_ROW = 2  # images, each beside its features
NOTE = (
    "Effective rank: in how many directions the features of these images vary, of {} channels: the exponential of the "
    "entropy of the shares of variance. 1 is an embedding that has collapsed to a line."
)


class Images:
    """Passes a sample on with its image alone."""

    needs = ("image",)

    def __call__(self, sample: Sample) -> Sample:
        return {name: sample[name] for name in ("key", "image")}


def run(job: Job) -> Result:
    """Draws the features of some images, and measures in how many directions they vary.

    Raises:
        UserError: the weights or a view cannot be read, or no sample is left.
    """
    options: EmbeddingOptions = job.options
    features = load_start_features(job, seed=0, stride=options.stride)
    features.to("cuda" if torch.cuda.is_available() else "cpu")
    side: Side = "all" if job.side == "all" else "held out"
    samples = open_views(job.views, Images(), Split(job.validation_share), side, needs=Images.needs, cache=job.cache)
    chosen = [index for rows in spread([len(samples)], options.pictured).values() for index in rows]
    components = fit(
        unit_features(features, shrunk(image, options.longer_side))
        for _, image in progress(images(samples, chosen), len(chosen), "embed")
    )
    names = {dataset_name(view) for view, rows in zip(samples.views, samples.rows, strict=True) if len(rows)}
    dataset = names.pop() if len(names) == 1 else ALL
    row = Row(dataset, "effective rank", components.effective_rank, "", "higher", len(chosen))
    shares = [] if components.shares is None else components.shares[:COLOURS].tolist()
    title = f"{job.experiment}, from {job.start}: {len(chosen)} of {len(samples):,} samples"
    sheet = contact_sheet(drawn(features, components, images(samples, chosen), options), title)
    png = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes()
    about = {"channels": len(components.mean), "variance_explained": shares}
    return Result((row,), (Picture("features", png, _caption(shares)),), about, NOTE.format(len(components.mean)))


def images(samples: Views, chosen: Sequence[int]) -> Iterator[tuple[str, Image]]:
    """Yields the keys and the images of some samples."""
    for index in chosen:
        sample = samples[index]
        yield sample["key"], sample["image"].permute(1, 2, 0).numpy()


def drawn(
    features: Features, components: Components, shown: Iterator[tuple[str, Image]], options: EmbeddingOptions
) -> list[list[Tile]]:
    """Draws images beside their features; colours mean the same in all of them."""
    stride = features.grid()[1]
    left: list[Tile] = []
    projections = []
    for key, image in shown:
        small = shrunk(image, options.longer_side)
        projections.append(components.projected(unit_features(features, small)))
        left.append((kept(np.rint(255 * small).astype(np.uint8)), f"image\n{key}"))
    right = [
        (enlarged(colours, picture.shape[:2], stride), "features")
        for colours, (picture, _) in zip(coloured(projections), left, strict=True)
    ]
    tiles = [tile for both in zip(left, right, strict=True) for tile in both]
    return [tiles[i : i + 2 * IN_A_ROW] for i in range(0, len(tiles), 2 * IN_A_ROW)]


def enlarged(colours: NDArray[np.uint8], size: tuple[int, int], stride: int) -> NDArray[np.uint8]:
    """Returns an image of `size`, H and W, with the colour of the nearest feature at each pixel."""
    rows, columns = (nearest_cells(side, side, cells, stride) for side, cells in zip(size, colours.shape, strict=False))
    return colours[rows[:, None], columns]


def _caption(shares: Sequence[float]) -> str:
    if not shares:
        return "The features are the same everywhere, so there is nothing to see."
    each = ", ".join(f"{100 * share:.0f} %" for share in shares)
    return (
        "Images, and the first three principal components of their features (of length 1) as red, green and blue, "
        f"fitted and scaled over all of these images. They have {100 * sum(shares):.0f} % of the variance ({each})."
    )
