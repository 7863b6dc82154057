"""Benchmarks as they come from their archives, unpacked or not: what lies where in each.

Each kind lists its videos by a function of its options and its tree of files; all of them are read alike.
docs/sources/davis.md and docs/sources/benchmarks.md have the layouts.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from common_fate.errors import UserError
from pipeline.option import option
from pipeline.sources import archived
from pipeline.sources.archived import Place
from pipeline.sources.archives import DAMAGED, Tree
from pipeline.sources.coco import NO_FACTS, Facts, image_facts
from pipeline.sources.listing import Paths, check_paths
from pipeline.sources.reading import is_image
from pipeline.sources.trees import Clip, check_there, first_words, folders_of_frames, paths_of, source_of, tree_of

_KITTI_CAMERAS = {2012: ("colored_0", "image_2", "image_0"), 2015: ("image_2",)}  # the left one, in colour if there
_SYNSET = re.compile(r"n\d{8}")


# DAVIS


@dataclass(frozen=True)
class DavisOptions:
    """Where DAVIS is, and which of its sequences."""

    path: Paths = option(help="the folder DAVIS, the folder around it, a zip, or a list of these", minItems=1)
    year: int = option(2017, "whose lists and masks", enum=[2016, 2017])
    split: str = option(
        "train", "a list in ImageSets, `trainval`, or `all` sequences that are there", pattern=r"^[a-z-]+(?!\n)$"
    )
    resolution: str = option(
        "480p", "`1080p` is of 2016, `Full-Resolution` of 2017", enum=["480p", "1080p", "Full-Resolution"]
    )
    masks: str | None = option("Annotations", "null: none", enum=["Annotations", "Annotations_unsupervised"])
    license: str | None = option(None, "carried into the catalog")

    def __post_init__(self) -> None:
        check_paths(self.path)


def _davis(options: DavisOptions, where: str) -> Iterator[Clip]:
    tree = tree_of(options.path, where, "DAVIS", ("", "DAVIS"), [f"JPEGImages/{options.resolution}"])
    base = f"JPEGImages/{options.resolution}"
    there = tree.folders(base)
    for name in there if options.split == "all" else _davis_names(options, tree, where, there):
        yield Clip(
            name,
            Place(
                tree.roots,
                f"{base}/{name}/*",
                masks=options.masks and f"{options.masks}/{options.resolution}/{name}/*.png",
                binary=options.year == 2016,
            ),
        )


def _davis_names(options: DavisOptions, tree: Tree, where: str, there: Sequence[str]) -> list[str]:
    """The sequences of a split: lists name one a line, those of 2016's own archive a frame of one and its mask."""
    folders = [f"ImageSets/{options.year}"] + [f"ImageSets/{options.resolution}"] * (options.year == 2016)
    splits = [options.split] if options.split != "trainval" else ["train", "val"]
    names: dict[str, None] = {}
    for split in splits:
        lists = [f"{folder}/{split}.txt" for folder in folders]
        found = next(filter(tree.has, lists), None)
        if found is None:
            raise UserError(f"{where}.split: no {' or '.join(lists)} in {options.path!r}: is this DAVIS as unpacked?")
        listed = [os.path.basename(os.path.dirname(word)) or word for word in first_words(tree, found, where)]
        check_there(listed, there, f"JPEGImages/{options.resolution}", found, where)
        names |= dict.fromkeys(listed)
    return list(names)


# MPI-Sintel


@dataclass(frozen=True)
class SintelOptions:
    """Where MPI-Sintel is, and which of it."""

    path: Paths = option(help="the folder or the zip, or a list of these", minItems=1)
    split: str = option("training", "the exact flow is of training", enum=["training", "test"])
    rendering: str = option(
        "final", "with all effects, without (`clean`), or the colours alone", enum=["clean", "final", "albedo"]
    )
    license: str | None = option(None, "carried into the catalog")

    def __post_init__(self) -> None:
        check_paths(self.path)

    @property
    def flow(self) -> str | None:
        """Where the exact flow lies, if anywhere."""
        return f"{self.split}/flow" if self.split == "training" else None


def _sintel(options: SintelOptions, where: str) -> Iterator[Clip]:
    base = f"{options.split}/{options.rendering}"
    tree = tree_of(options.path, where, "MPI-Sintel", ("", "MPI-Sintel-complete", "MPI-Sintel"), [base])
    for scene in tree.folders(base):
        place = Place(tree.roots, f"{base}/{scene}/*")
        if options.flow:
            place = Place(
                *(tree.roots, f"{base}/{scene}/*"),
                flow=f"{options.flow}/{scene}/*.flo",
                invalid=f"{options.split}/invalid/{scene}/*.png",
                occlusions=f"{options.split}/occlusions/{scene}/*.png",
            )
        yield Clip(scene, place)


# KITTI


@dataclass(frozen=True)
class KittiOptions:
    """Where KITTI 2012 or 2015 is, with its multi-view extension or without."""

    path: Paths = option(help="the folder or the zips", minItems=1)
    year: int = option(2015, "which benchmark", enum=[2012, 2015])
    split: str = option("training", "the true flow is of training", enum=["training", "testing"])
    license: str | None = option(None, "carried into the catalog")

    def __post_init__(self) -> None:
        check_paths(self.path)

    @property
    def flow(self) -> str | None:
        """Where the true flow lies, if anywhere."""
        return f"{self.split}/flow_occ" if self.split == "training" else None


def _kitti(options: KittiOptions, where: str) -> Iterator[Clip]:
    name = {2012: "data_stereo_flow", 2015: "data_scene_flow"}[options.year]
    cameras = [f"{options.split}/{camera}" for camera in _KITTI_CAMERAS[options.year]]
    marks = [*cameras, f"{options.split}/flow_occ"]
    tree = tree_of(options.path, where, f"KITTI {options.year}", ("", name, f"{name}_multiview"), marks)
    # The archives of 2012 name the camera differently: the one with most frames is the multi-view one.
    base = max(cameras, key=lambda camera: len(tree.files(camera)))
    scenes = sorted({file[:6] for file in tree.files(base) if re.fullmatch(r"\d{6}_\d{2}\.png", file)})
    if not scenes:
        raise UserError(f"{where}.path: no frames such as {base}/000000_10.png in {options.path!r}")
    for scene in scenes:
        place = Place(tree.roots, f"{base}/{scene}_*")
        if options.flow:
            visible = f"{options.split}/flow_noc/*.png"
            place = Place(tree.roots, f"{base}/{scene}_*", flow=f"{options.flow}/*.png", flow_visible=visible)
        yield Clip(scene, place)


# Images


@dataclass(frozen=True)
class VocOptions:
    """Where PASCAL VOC is, and which of its images."""

    path: Paths = option(help="the folder VOCdevkit, the folder around it, or its tars", minItems=1)
    year: int = option(2012, "which year's", minimum=2005, maximum=2012)
    set: str = option(
        "Main/trainval",
        "a list of ImageSets, such as `Segmentation/train`",
        pattern=r"^[A-Za-z0-9_]+/[A-Za-z0-9_]+(?!\n)$",
    )
    masks: str | None = option(
        "SegmentationClass", "null: none", enum=["SegmentationClass", "SegmentationObject", "SegmentationClassAug"]
    )
    license: str | None = option(None, "carried into the catalog")

    def __post_init__(self) -> None:
        check_paths(self.path)


def _voc(options: VocOptions, where: str) -> Iterator[Clip]:
    tops = ("", f"VOC{options.year}", f"VOCdevkit/VOC{options.year}")
    tree = tree_of(options.path, where, f"PASCAL VOC {options.year}", tops, ["JPEGImages", "ImageSets"])
    listed = f"ImageSets/{options.set}.txt"
    if not tree.has(listed):
        raise UserError(f"{where}.set: no {listed} in {options.path!r}: such as Main/trainval or Segmentation/train")
    stems = [os.path.splitext(os.path.basename(word))[0] for word in first_words(tree, listed, where)]
    there: dict[str, str] = {}
    for file in tree.files("JPEGImages"):
        stem = os.path.splitext(file)[0]
        if there.setdefault(stem, file) != file and is_image(file):
            if is_image(there[stem]):
                raise UserError(f"{where}.path: JPEGImages has {there[stem]!r} and {file!r}: leave one out")
            there[stem] = file
    check_there(stems, there, "JPEGImages", listed, where)
    for stem in stems:
        masks = options.masks and f"{options.masks}/*.png"
        yield Clip(stem, Place(tree.roots, f"JPEGImages/{there[stem]}", masks=masks))


@dataclass(frozen=True)
class CocoOptions:
    """Where COCO is, and which of its images."""

    path: Paths = option(help="the folder or the zips", minItems=1)
    split: str = option("train2017", "which images", pattern=r"^[a-z]+[0-9]{4}(?!\n)$")
    annotations: str | None = option(
        None, "a JSON file of it, for the licence of each image, such as `annotations/instances_train2017.json`"
    )
    license: str | None = option(None, "carried into the catalog")

    def __post_init__(self) -> None:
        check_paths(self.path)


def _coco(options: CocoOptions, where: str) -> Iterator[Clip]:
    marks = [options.split, f"images/{options.split}", "annotations"]
    tree = tree_of(options.path, where, "COCO", ("", "coco"), marks)
    base = next((mark for mark in marks[:2] if tree.files(mark)), None)
    if base is None:
        raise UserError(f"{where}.split: no images in {options.split} of {options.path!r}")
    facts: dict[str, Facts] = {}
    if options.annotations is not None:
        try:
            with tree.open(options.annotations) as file:
                if file is None:
                    raise UserError(f"{where}.annotations: no {options.annotations} in {options.path!r}")
                facts = image_facts(file)
        except (*DAMAGED, ValueError, OSError) as error:
            raise UserError(f"{where}.annotations: {options.annotations} cannot be read: {error}") from error
    for file_name in filter(is_image, tree.files(base)):
        clip = Clip(file_name, Place(tree.roots, f"{base}/{file_name}"), facts.get(file_name, NO_FACTS))
        yield clip


@dataclass(frozen=True)
class ImagenetOptions:
    """Where ImageNet is, and which of its images."""

    path: Paths = option(help="the folder or the tars", minItems=1)
    split: str = option("train", "which images", enum=["train", "val", "test"])
    synsets: tuple[str, ...] | None = option(
        None,
        "which classes, such as n01440764; null: all",
        minItems=1,
        uniqueItems=True,
        items={"type": "string", "pattern": r"^n[0-9]{8}(?!\n)$"},
    )
    license: str | None = option(None, "carried into the catalog")

    def __post_init__(self) -> None:
        check_paths(self.path)
        if self.synsets is not None:
            object.__setattr__(self, "synsets", tuple(self.synsets))  # JSON has lists


def _imagenet(options: ImagenetOptions, where: str) -> Iterator[Clip]:
    tree, base = Tree(tuple((path, "") for path in paths_of(options.path, where))), ""
    if not any(map(_SYNSET.fullmatch, tree.folders(""))):
        tops = ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", "CLS-LOC")
        tree, base = tree_of(options.path, where, "ImageNet", tops, [options.split]), options.split
    synsets = [name for name in tree.folders(base) if _SYNSET.fullmatch(name)]
    if options.synsets is not None:
        check_there(options.synsets, synsets, base or "the folder", "the list", f"{where}.synsets")
        synsets = sorted(options.synsets)
    for folder in ["", *synsets] if options.synsets is None else synsets:
        for file in filter(is_image, tree.files("/".join(filter(None, (base, folder))))):
            name = f"{folder}/{file}" if folder else file
            yield Clip(name, Place(tree.roots, "/".join(filter(None, (base, name)))))


# Clips of people


@dataclass(frozen=True)
class VipOptions:
    """Where VIP is, and which of its videos."""

    path: Paths = option(help="the folder or the archives", minItems=1)
    split: str = option("all", "which videos", enum=["all", "train", "val", "test", "trainval"])
    frames: str = option(
        "Images",
        "annotated frames, one in 25, or those around them (`adjacent_frames`)",
        enum=["Images", "adjacent_frames"],
    )
    masks: str | None = option(
        "Category_ids", "of Images; null: none", enum=["Category_ids", "Human_ids", "Instance_ids"]
    )
    license: str | None = option(None, "carried into the catalog")

    def __post_init__(self) -> None:
        check_paths(self.path)


def _vip(options: VipOptions, where: str) -> Iterator[Clip]:
    marks = [options.frames, "lists"]
    tree = tree_of(options.path, where, "VIP", ("", "VIP_Fine", "VIP_Sequence", "VIP", "VIP/VIP_Fine"), marks)
    there = tree.folders(options.frames)
    wanted = set(there if options.split == "all" else _vip_names(options, tree, where, there))
    masks = next((f"{at}{options.masks}" for at in ("Annotations/", "") if tree.folders(f"{at}{options.masks}")), None)
    for folder in folders_of_frames(tree, options.frames, 2):
        name = folder.removeprefix(f"{options.frames}/")
        if name.split("/")[0] in wanted:
            annotated = masks and options.frames == "Images" and f"{masks}/{name}/*.png"
            yield Clip(name, Place(tree.roots, f"{folder}/*", masks=annotated or None))


def _vip_names(options: VipOptions, tree: Tree, where: str, there: Sequence[str]) -> list[str]:
    """The videos of a split: lists name a video a line, or a frame of one."""
    lists = [f"lists/{options.split}_{what}.txt" for what in ("videos", "id")]
    found = next(filter(tree.has, lists), None)
    if found is None:
        raise UserError(f"{where}.split: no {' or '.join(lists)} in {options.path!r}: take all")
    listed = [word.split("/")[0] for word in first_words(tree, found, where)]
    check_there(listed, there, options.frames, found, where)
    return listed


@dataclass(frozen=True)
class MpiiOptions:
    """Where the image sequences of MPII Human Pose are."""

    path: Paths = option(help="the folder or the tars", minItems=1)
    license: str | None = option(None, "carried into the catalog")

    def __post_init__(self) -> None:
        check_paths(self.path)


def _mpii(options: MpiiOptions, where: str) -> Iterator[Clip]:
    tree = Tree(tuple((path, "") for path in paths_of(options.path, where)))
    for folder in folders_of_frames(tree, "", 2):
        yield Clip(os.path.basename(folder), Place(tree.roots, f"{folder}/*"))


SOURCES = (
    source_of("davis", DavisOptions, _davis, masks=archived.masks),
    source_of("sintel", SintelOptions, _sintel, truth=archived.truth),
    source_of("kitti", KittiOptions, _kitti, truth=archived.truth),
    source_of("voc", VocOptions, _voc, masks=archived.masks, single=True),
    source_of("coco", CocoOptions, _coco, single=True),
    source_of("imagenet", ImagenetOptions, _imagenet, single=True),
    source_of("vip", VipOptions, _vip, masks=archived.masks),
    source_of("mpii", MpiiOptions, _mpii),
)
