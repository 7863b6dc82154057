"""Several views as one dataset, and which of their videos train."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from torch.utils.data import Dataset

from common_fate.datasets.holdout import in_share
from common_fate.errors import ShardError, UserError
from common_fate.manifest.samples import SAMPLES
from common_fate.remote.address import is_address
from common_fate.remote.cache import Cache
from common_fate.shards.members import entry_name
from common_fate.torch.dataset import ShardDataset
from common_fate.torch.sample import Transform
from trainers.data.split import Split

Side = Literal["train", "held out", "all"]


class Views(Dataset[Any]):
    """Chosen samples of several views, one view after the other, by index or by `(epoch, index)`.

    Args:
        rows: of each view, the samples that are chosen.
    """

    def __init__(self, views: Sequence[ShardDataset], rows: Sequence[NDArray[np.int64]]) -> None:
        self.views, self.rows = list(views), list(rows)
        self._ends = np.cumsum([len(chosen) for chosen in rows])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int | tuple[int, int]) -> Any:
        view, place = self._place(index)
        return view[place]

    def __getitems__(self, indices: Sequence[int | tuple[int, int]]) -> list[Any]:
        """A batch, without the damaged samples where the views skip those."""
        samples, last = [], None
        for view, place in map(self._place, indices):
            try:
                samples += view.__getitems__([place])
            except ShardError as error:  # the view has logged and counted it
                if view.damaged == "raise":
                    raise
                last = error
        if last is not None and not samples:
            raise last
        return samples

    @property
    def keys(self) -> list[str]:
        """Of all samples, in order."""
        return [
            key for view, rows in zip(self.views, self.rows, strict=True) for key in view.keys.take(rows).to_pylist()
        ]

    @property
    def skipped(self) -> int:
        """How many damaged samples were left out so far, by all workers."""
        return sum(view.skipped for view in self.views)

    def _place(self, index: int | tuple[int, int]) -> tuple[ShardDataset, tuple[int, int]]:
        epoch, number = index if isinstance(index, tuple) else (0, index)
        if not -len(self) <= number < len(self):
            raise IndexError(f"sample {number} of {len(self)}")
        number %= len(self)
        view = int(np.searchsorted(self._ends, number, side="right"))
        row = self.rows[view][number - int(self._ends[view])]
        return self.views[view], (epoch, int(row))


def open_views(
    folders: Sequence[str | Path],
    transform: Transform | None,
    split: Split,
    side: Side,
    *,
    needs: Sequence[str] = ("flow",),
    reads: Sequence[str] | None = None,
    damaged: Literal["raise", "skip"] = "raise",
    cache: Cache | None = None,
) -> Views:
    """Returns the samples of one side of some views.

    A video is held out if its id's hash says so, and if not, trained on if a second hash says so: videos that are added
    move no other, a larger share holds all of a smaller one, and a video of two datasets is on the same side in both.

    Args:
        folders: `results/DATASET/shards/VIEW` each, or an address of such a folder.
        side: `"train"`; `"held out"`; or `"all"`, whatever `split` says.
        needs: what every sample must have, by its name in a sample (`image`, `flow`, `guidance`).
        reads: what the transform reads of a sample, by the same names; by default all that there is.
        damaged, cache: as for `ShardDataset`.

    Raises:
        UserError: a folder is no view, lacks what is needed or repeats another's samples, or no sample is left.
    """
    views = [_opened(folder, transform, needs, reads, damaged, cache) for folder in folders]
    _check_distinct(views)
    rows, videos, held_out = [], set[str](), set[str]()
    for view in views:
        ids = pc.list_element(pc.split_pattern(view.keys, "-", max_splits=1, reverse=True), 0).dictionary_encode()
        names = ids.dictionary.to_pylist()
        held = np.array([in_share(split.validation_share, name) for name in names], np.bool_)
        taken = {
            "train": ~held & np.array([in_share(split.train_share, f"share/{name}") for name in names], np.bool_),
            "held out": held,
            "all": np.ones(len(names), np.bool_),
        }[side]
        rows.append(np.flatnonzero(taken[ids.indices.to_numpy()]))
        videos.update(names)
        held_out.update(name for name, out in zip(names, held, strict=True) if out)
    if not any(len(chosen) for chosen in rows):
        raise UserError(_nothing_left(views, split, side, len(videos), len(held_out)))
    return Views(views, rows)


def dataset_name(view: ShardDataset) -> str:
    """Returns what a view's dataset is called: as the folder that `shards/VIEW` are in, here or at an address."""
    if not view.folder.cache:
        return view.folder.manifest.resolve().parent.parent.name
    parts = PurePosixPath(view.folder.name).parts
    return parts[-3] if parts[-2] == "shards" else parts[-1]


def _opened(
    folder: str | Path,
    transform: Transform | None,
    needs: Sequence[str],
    reads: Sequence[str] | None,
    damaged: Literal["raise", "skip"],
    cache: Cache | None,
) -> ShardDataset:
    if not is_address(str(folder)) and not (Path(folder) / SAMPLES).is_file():
        raise UserError(f"{folder} has no manifest ({SAMPLES}): give a view's folder, results/DATASET/shards/VIEW")
    view = ShardDataset(folder, transform, damaged=damaged, cache=cache, members=reads)
    has = [entry_name(extension) for extension in view.extensions]
    for need in needs:
        if len(view) and need not in has:
            raise UserError(
                f"{folder} has no {need}: its samples are of {', '.join(view.extensions)}; give a view with {need}"
            )
    return view


def _check_distinct(views: Sequence[ShardDataset]) -> None:
    """The same shard twice, be it in the same folder or in a copy of it, counts its samples twice."""
    seen: dict[str, str] = {}
    for view in views:
        for sha256 in seen.keys() & view.sums:
            raise UserError(f"{view.folder} has the same samples as {seen[sha256]}: give each view once")
        seen |= dict.fromkeys(view.sums, str(view.folder))


def _nothing_left(views: Sequence[ShardDataset], split: Split, side: Side, videos: int, held_out: int) -> str:
    where = ", ".join(str(view.folder) for view in views)
    if not videos:
        return f"{where}: no samples: every one failed, or none was made yet"
    if side == "held out":
        return f"{where}: none of {videos} videos is held out: raise the validation share, {split.validation_share}"
    return (
        f"{where}: no samples to train on: of {videos} videos {held_out} are held out (validation share "
        f"{split.validation_share}), and none of the others is in the train share of {split.train_share}: lower the "
        "one or raise the other"
    )
