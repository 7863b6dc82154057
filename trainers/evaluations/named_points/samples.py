"""Samples with named points, cropped as the method crops them: which there are, and in which role."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from common_fate.errors import ShardError, UserError
from common_fate.torch.sample import Sample
from trainers.data.split import Split
from trainers.data.transforms import Joint
from trainers.data.views import Side, Views, dataset_name, open_views
from trainers.engine.loaders import one_line_errors
from trainers.evaluations.job import Job

MEMBERS = ("image", "points", "json")


@dataclass(frozen=True)
class Pointed:
    """An image with P named points.

    Args:
        image: `(3, H, W)` in [0, 1].
        names: none, where nothing is known of the sample's points.
        places: `(P, 2)`, y and x in pixels of the image.
        visible: `(P,)`, bool: which are, and lie in the image.
    """

    key: str
    image: Tensor
    names: tuple[str, ...]
    places: Tensor
    visible: Tensor

    @property
    def video(self) -> str:
        """The video, or the individual, that the image is of."""
        return self.key.rpartition("-")[0]

    def cut(self, margin: int) -> "Pointed":
        """Returns it without so many pixels at each side."""
        if not margin:
            return self
        image = self.image[:, margin:-margin, margin:-margin]
        places = self.places - margin
        inside = ((places >= -0.5) & (places < torch.tensor(image.shape[1:]) - 0.5)).all(dim=1)
        return replace(self, image=image, places=places, visible=self.visible & inside)


class PointsTransform:
    """From a sample of a view `objects` to a `Pointed`: the centre crop that the method would train on."""

    needs = ("image", "points")

    def __init__(self, method_options: Any) -> None:
        self._joint = Joint(method_options.transforms, 0, train=False)

    def __call__(self, sample: Sample) -> Pointed:
        names = tuple(sample.get("json", {}).get("landmarks") or ())
        rows = sample["points"] if "points" in sample and names else torch.zeros(0, 3)
        if len(rows) != len(names) and len(rows):
            raise ShardError(f"{sample['key']}: has {len(rows)} points, and {len(names)} names of them")
        made = self._joint({**{name: sample[name] for name in ("key", "epoch", "image")}, "landmarks": rows})
        places = made["landmarks"]
        visible = made["landmarks_valid"] & (places[:, 2] > 0)
        return Pointed(sample["key"], made["image"], names if len(rows) else (), places[:, :2], visible)


class PointSamples:
    """Samples that are read whenever they are asked for.

    Args:
        title: the dataset that they are of.
        margin: pixels that are cut off at each side.
    """

    def __init__(self, title: str, samples: Views, margin: int = 0) -> None:
        self.title, self.samples, self.margin = title, samples, margin
        self._named: tuple[str, tuple[str, ...]] | None = None

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def keys(self) -> list[str]:
        """Of all samples, in order."""
        return self.samples.keys

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the points of all samples; of the first that has some.

        Raises:
            UserError: none has.
        """
        if self._named is None:
            for _ in self.read(range(len(self)), 0):
                if self._named:
                    break
        if self._named is None:
            raise UserError(f"{self.title}: none of its {len(self)} samples has named points: give a dataset with some")
        return self._named[1]

    def read(self, rows: Sequence[int], workers: int) -> Iterator[Pointed]:
        """Yields samples in the order of `rows`; those without points as well.

        Raises:
            UserError: a sample cannot be read, or its points have other names than those of another.
        """
        loader = DataLoader(Subset(self.samples, list(rows)), batch_size=None, num_workers=workers)
        every = cast(Iterator[Pointed], one_line_errors(iter(loader)))
        for one in every:
            if one.names:
                if self._named is None:
                    self._named = (one.key, one.names)
                elif one.names != self._named[1]:
                    raise UserError(
                        f"{self.title}: the points of {one.key} are called otherwise than those of {self._named[0]}: "
                        "give datasets whose points have the same names in the same order"
                    )
            yield one.cut(self.margin)


def margin_of(method_options: Any) -> int:
    """Returns how many pixels of its crops a method cuts off at each side before its network sees them."""
    crop = method_options.transforms.crop
    return int((crop - getattr(method_options, "side", crop)) // 2)


def measured_samples(job: Job, cut: bool = True) -> list[PointSamples]:
    """Returns the samples of each of the job's datasets on the side that it measures.

    Args:
        cut: whether what the method cuts off after warping is cut off.

    Raises:
        UserError: a view cannot be read, or has no points.
    """
    side: Side = "all" if job.side == "all" else "held out"
    return _opened(job, job.views, Split(job.validation_share), side, cut)


def labelled_and_measured(
    job: Job, hold_out: float, labels_from: Sequence[str]
) -> tuple[list[PointSamples], list[PointSamples]]:
    """Returns the samples whose labels may be learnt from, and those to measure on, each of each dataset.

    With `labels_from` they are other datasets; else other videos of the same ones: those that the experiment trained on
    and held out, or, where it knows none of them, a share of them by the same hash.

    Raises:
        UserError: a view cannot be read, or has no points; a name of `labels_from` is none of the datasets', or they
            leave none to measure on.
    """
    if labels_from:
        split = Split(job.validation_share)
        side: Side = "all" if job.side == "all" else "held out"
        every = _opened(job, job.views, split, "all", True)
        names = [one.title for one in every]
        if unknown := [name for name in labels_from if name not in names]:
            raise UserError(f"labels_from has {unknown[0]!r}: it is measured on {', '.join(names)}: should be of these")
        rest = [view for view, name in zip(job.views, names, strict=True) if name not in labels_from]
        if not rest:
            raise UserError("labels_from has all datasets: leave one to measure on")
        return [one for one in every if one.title in labels_from], _opened(job, rest, split, side, True)
    split = Split(job.validation_share if job.side != "all" else hold_out)
    return _opened(job, job.views, split, "train", True), _opened(job, job.views, split, "held out", True)


def same_names(several: Sequence[PointSamples]) -> tuple[str, ...]:
    """Returns the names of points that all datasets have.

    Raises:
        UserError: they differ.
    """
    first = several[0]
    for other in several[1:]:
        if other.names != first.names:
            raise UserError(
                f"{other.title} and {first.title}: their points have other names, or another order: measure them apart"
            )
    return first.names


def _opened(job: Job, folders: Sequence[str], split: Split, side: Side, cut: bool) -> list[PointSamples]:
    transform: Callable[[Sample], Pointed] = PointsTransform(job.method_options)
    needs = PointsTransform.needs
    opened = open_views(folders, transform, split, side, needs=needs, reads=MEMBERS, cache=job.cache)
    margin = margin_of(job.method_options) if cut else 0
    return [
        PointSamples(dataset_name(view), Views([view], [rows]), margin)
        for view, rows in zip(opened.views, opened.rows, strict=True)
        if len(rows)
    ]
