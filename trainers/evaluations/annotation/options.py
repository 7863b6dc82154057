"""The options of annotation. Nothing here imports torch: Snakemake reads it, too."""

import glob
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from pipeline.option import option
from pipeline.sources.listing import expanded

KINDS = ("folder", "yolo", "coco")
OBJECTS = ("label", "piece")


@dataclass(frozen=True)
class AnnotationData:
    """Images, and the pixels of the objects on them. Paths are the user's own."""

    kind: str = option(
        "folder",
        "folder, images and masks of the same names; yolo, a text file with polygons for each image; or coco, COCO's "
        "layout",
        enum=[*KINDS],
    )
    name: str = option("", "what tables call the data set; by default its folder's name")
    path: str = option("", "the folder, .zip or .tar; where it came as several of these, a glob: /data/coco/*.zip")
    images: str = option("images", "of folder and yolo: the folder of the images in path")
    masks: str = option(
        "masks",
        "of folder: that of the masks, PNG with a label a pixel: 0 is the background, 255 does not count; grey with "
        "nothing but 0 and 255 is one object",
    )
    objects: str = option(
        "label",
        "of folder: what an object is, all pixels of a label on an image, in however many pieces, or each piece",
        enum=[*OBJECTS],
    )
    labels: str = option(
        "labels", "of yolo: the folder of the text files in path, whose lines are a class and the corners of a polygon"
    )
    side: str = option("val2017", "of coco: a folder of images with its annotations/instances_NAME.json")

    def __post_init__(self) -> None:
        for name, right in (("kind", KINDS), ("objects", OBJECTS)):
            if getattr(self, name) not in right:
                raise ValueError(f"{name} is {getattr(self, name)!r}: should be one of {', '.join(right)}")
        if not self.path:
            raise ValueError(f"path is missing: where the data of kind {self.kind} lie")

    @property
    def title(self) -> str:
        """What tables call the data set."""
        return self.name or PurePath(self.path).stem.strip("*?[]") or "images"


@dataclass(frozen=True)
class AnnotationOptions:
    """On which objects it is clicked, how often, and how clicks become a mask."""

    data: AnnotationData = option(help="images, and the pixels of the objects on them")
    clicks: tuple[int, ...] = option((1, 2, 3, 5, 10), "after so many the masks are measured, ascending")
    instances: int | None = option(170, "objects, spread evenly over all, as many as in the paper; null: all of them")
    smallest: float = option(0.01, "the least share of its image that an object has; smaller ones are left out")
    strength: float = option(10.0, "how far points are pulled, pixels of the network's input")
    threshold: float = option(0.5, "the share of the strongest response from which on a pixel is in the mask")
    failed_below: float = option(0.5, "the intersection over union, 0 to 1, that a mask has to reach by the last click")
    pictured: int = option(6, "objects in the picture, from the best to the worst")

    def __post_init__(self) -> None:
        if not self.clicks or self.clicks[0] < 1 or list(self.clicks) != sorted(set(self.clicks)):
            raise ValueError(f"clicks is {list(self.clicks)}: numbers of clicks from 1 up, ascending, each once")
        if self.clicks[-1] > 1000:
            raise ValueError(f"clicks ends with {self.clicks[-1]}: at most 1000")
        if self.instances is not None and self.instances < 1:
            raise ValueError(f"instances is {self.instances}: objects, from 1 up, or null")
        if not 0 <= self.smallest < 1:
            raise ValueError(f"smallest is {self.smallest}: a share of the image, from 0 to less than 1")
        if self.strength <= 0:
            raise ValueError(f"strength is {self.strength}: pixels, above 0")
        if not 0 <= self.threshold < 1:
            raise ValueError(f"threshold is {self.threshold}: a share, from 0 to less than 1")
        if not 0 < self.failed_below <= 1:
            raise ValueError(f"failed_below is {self.failed_below}: above 0, at most 1")
        if self.pictured < 0:
            raise ValueError(f"pictured is {self.pictured}: objects, from 0 up")


def paths(options: AnnotationOptions) -> Mapping[str, str]:
    """Returns the folder or archive that `data` names, by the path of its key; what a glob finds is checked later."""
    return {} if glob.has_magic(options.data.path) else {"data.path": expanded(options.data.path)}
