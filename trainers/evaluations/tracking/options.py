"""The options of tracking. Nothing here imports torch: Snakemake reads it, too."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from pipeline.option import option

KINDS = ("davis", "folder")
YEARS = (2016, 2017)


@dataclass(frozen=True)
class TrackingData:
    """Videos whose frames have masks of objects. Paths are the user's own."""

    kind: str = option("davis", "DAVIS as from its zip, or any folders of frames and of masks", enum=[*KINDS])
    name: str = option("", "what tables call the data set; by default DAVIS and the year, or the folder's name")
    path: str = option("", "of davis: the folder DAVIS, the folder around it, or its zip")
    year: int = option(2017, "of davis, whose lists; in 2016 a video has one object", enum=[*YEARS])
    split: str = option("val", "of davis: a list in ImageSets, `trainval`, or `all` videos that are there")
    resolution: str = option("480p", "of davis: the folder in JPEGImages and Annotations")
    images: str = option("", "of folder: the folder with a folder of frames for each video")
    masks: str = option("", "of folder: the same with a PNG for each frame, called as the frame is")
    sequences: tuple[str, ...] = option((), "the names of the videos; none: all of them")

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}: should be {' or '.join(KINDS)}")
        for name in ("path",) if self.kind == "davis" else ("images", "masks"):
            if not getattr(self, name):
                raise ValueError(f"{name} is missing: kind {self.kind} needs it")
        if self.year not in YEARS:
            raise ValueError(f"year is {self.year}: should be one of {', '.join(map(str, YEARS))}")

    @property
    def title(self) -> str:
        """What tables call the data set."""
        if self.name:
            return self.name
        return f"DAVIS-{self.year}" if self.kind == "davis" else PurePath(self.images).parent.name or "videos"


@dataclass(frozen=True)
class TrackingOptions:
    """How masks are carried from frame to frame, and on what."""

    data: TrackingData = option(help="videos whose frames have masks of objects")
    stride: int | None = option(
        None, "of an image encoder's features; null: an embedding of pixels where there is one, else the deepest"
    )
    memory: int = option(2, "frames before a frame that its masks come from")
    keep_first: bool = option(False, "whether the first frame stays in memory as well")
    neighbours: int = option(10, "nearest places in memory, whose labels are averaged")
    position_weight: float = option(
        1.0, "of the coordinates beside features of length 1; they go from 0 to 1 along the longer side"
    )
    window: float | None = option(
        0.125, "how far a neighbour may lie across and down, by the longer side; null: anywhere, as in the paper"
    )
    pictured: int = option(4, "videos in the picture, spread evenly")
    mp4: bool = option(False, "whether those are also written as START/VIDEO.mp4 beside the result")

    def __post_init__(self) -> None:
        for name, least in (("memory", 1), ("neighbours", 1), ("pictured", 0), ("position_weight", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}: from {least} up")
        if self.window is not None and self.window <= 0:
            raise ValueError(f"window is {self.window}: a share of the longer side above 0, or null")


def paths(options: TrackingOptions) -> Mapping[str, str]:
    """Returns the folders and files of the user's that have to be there, by the path of their key."""
    return {f"data.{name}": path for name in ("path", "images", "masks") if (path := getattr(options.data, name))}
