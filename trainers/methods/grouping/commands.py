"""What is worth knowing before grouping is learnt, on the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from common_fate.cli import print_table
from common_fate.errors import UserError
from common_fate.shards.members import entry_name
from common_fate.tables import Table

SCALES = (1.0, 5.0, 10.0, 15.0, 20.0, 30.0)

app = typer.Typer(
    help="Learning from hierarchical grouping (Zhang and Maire, NeurIPS 2020): what a view's trees are like.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.callback()
def _of_several() -> None: ...


@app.command()
def scales(
    views: Annotated[list[Path], typer.Argument(help="Views of grouping: results/DATASET/shards/grouping.")],
    scale: Annotated[
        list[float] | None, typer.Option(help="A value of sampling.distance_scale; several times.")
    ] = None,
) -> None:
    """Print how probable an anchor's own region is among its positives, for values of sampling.distance_scale."""
    from trainers.methods.grouping.sampling import TEMPERATURE

    chosen = scale or SCALES
    own = [own_regions(view, chosen) for view in views]
    shares = np.concatenate(own).mean(axis=0)
    rows = [[value, round(float(share), 3)] for value, share in zip(chosen, shares, strict=True)]
    count = sum(map(len, own))
    note = f"Means over the regions of {count} images, of equation 2 with its temperature of {TEMPERATURE}."
    print_table(Table("Own regions", ["distance_scale", "own region"], rows, note), None)


def own_regions(view: Path, scales: Sequence[float]) -> NDArray[np.float64]:
    """Returns of each image of a view, and each scale, the mean of equation 2 for a region itself: `(N, len(scales))`.

    Raises:
        UserError: the view has no trees, or no samples.
        ShardError: a shard is damaged.
    """
    from common_fate.torch.dataset import ShardDataset  # torch: the list of commands does without
    from trainers.methods.grouping.sampling import TEMPERATURE, leaf_distances, positive_probabilities

    samples = ShardDataset(view, members=("tree",))
    if "tree" not in map(entry_name, samples.extensions) or not len(samples):
        raise UserError(f"{view}: has no trees of regions: give a view grouping, results/DATASET/shards/grouping")
    found = []
    for number in range(len(samples)):
        distances = leaf_distances(samples[number]["tree"].numpy())
        found.append([positive_probabilities(distances * (one / TEMPERATURE)).diagonal().mean() for one in scales])
    return np.array(found)
