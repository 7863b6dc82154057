"""Benchmarks as they come from their archives, unpacked or not: what lies where in each.

Each kind lists its videos by a function of its options and its tree of files; all of them are read alike.
docs/sources/davis.md and docs/sources/benchmarks.md have the layouts.
"""

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from common_fate.datasets.catalog import Video
from common_fate.errors import UserError
from common_fate.shards.limits import quoted
from pipeline.option import option
from pipeline.sources import archived
from pipeline.sources.archived import Place, place_bytes
from pipeline.sources.archives import DAMAGED, Root, Tree, has_folder
from pipeline.sources.coco import NO_FACTS, Facts, image_facts
from pipeline.sources.ids import video_id
from pipeline.sources.listing import Paths, check_paths, expanded, text_of
from pipeline.sources.reading import is_image
from pipeline.sources.source import Source

_KITTI_CAMERAS = {2012: ("colored_0", "image_2", "image_0"), 2015: ("image_2",)}  # the left one, in colour if there
_SYNSET = re.compile(r"n\d{8}")


@dataclass(frozen=True)
class _Clip:
    """A video by its name within the benchmark, which becomes its id."""

    name: str
    place: Place
    facts: Facts = NO_FACTS


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


def _davis(options: DavisOptions, where: str) -> Iterator[_Clip]:
    tree = _tree(options.path, where, "DAVIS", ("", "DAVIS"), [f"JPEGImages/{options.resolution}"])
    base = f"JPEGImages/{options.resolution}"
    there = tree.folders(base)
    for name in there if options.split == "all" else _davis_names(options, tree, where, there):
        yield _Clip(
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
        listed = [os.path.basename(os.path.dirname(word)) or word for word in _words(tree, found, where)]
        _check_there(listed, there, f"JPEGImages/{options.resolution}", found, where)
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


def _sintel(options: SintelOptions, where: str) -> Iterator[_Clip]:
    base = f"{options.split}/{options.rendering}"
    tree = _tree(options.path, where, "MPI-Sintel", ("", "MPI-Sintel-complete", "MPI-Sintel"), [base])
    for scene in tree.folders(base):
        place = Place(tree.roots, f"{base}/{scene}/*")
        if options.flow:
            place = Place(
                *(tree.roots, f"{base}/{scene}/*"),
                flow=f"{options.flow}/{scene}/*.flo",
                invalid=f"{options.split}/invalid/{scene}/*.png",
                occlusions=f"{options.split}/occlusions/{scene}/*.png",
            )
        yield _Clip(scene, place)


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


def _kitti(options: KittiOptions, where: str) -> Iterator[_Clip]:
    name = {2012: "data_stereo_flow", 2015: "data_scene_flow"}[options.year]
    cameras = [f"{options.split}/{camera}" for camera in _KITTI_CAMERAS[options.year]]
    marks = [*cameras, f"{options.split}/flow_occ"]
    tree = _tree(options.path, where, f"KITTI {options.year}", ("", name, f"{name}_multiview"), marks)
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
        yield _Clip(scene, place)


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


def _voc(options: VocOptions, where: str) -> Iterator[_Clip]:
    tops = ("", f"VOC{options.year}", f"VOCdevkit/VOC{options.year}")
    tree = _tree(options.path, where, f"PASCAL VOC {options.year}", tops, ["JPEGImages", "ImageSets"])
    listed = f"ImageSets/{options.set}.txt"
    if not tree.has(listed):
        raise UserError(f"{where}.set: no {listed} in {options.path!r}: such as Main/trainval or Segmentation/train")
    stems = [os.path.splitext(os.path.basename(word))[0] for word in _words(tree, listed, where)]
    there: dict[str, str] = {}
    for file in tree.files("JPEGImages"):
        stem = os.path.splitext(file)[0]
        if there.setdefault(stem, file) != file and is_image(file):
            if is_image(there[stem]):
                raise UserError(f"{where}.path: JPEGImages has {there[stem]!r} and {file!r}: leave one out")
            there[stem] = file
    _check_there(stems, there, "JPEGImages", listed, where)
    for stem in stems:
        masks = options.masks and f"{options.masks}/*.png"
        yield _Clip(stem, Place(tree.roots, f"JPEGImages/{there[stem]}", masks=masks))


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


def _coco(options: CocoOptions, where: str) -> Iterator[_Clip]:
    marks = [options.split, f"images/{options.split}", "annotations"]
    tree = _tree(options.path, where, "COCO", ("", "coco"), marks)
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
        clip = _Clip(file_name, Place(tree.roots, f"{base}/{file_name}"), facts.get(file_name, NO_FACTS))
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


def _imagenet(options: ImagenetOptions, where: str) -> Iterator[_Clip]:
    tree, base = Tree(tuple((path, "") for path in _paths(options.path, where))), ""
    if not any(map(_SYNSET.fullmatch, tree.folders(""))):
        tops = ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", "CLS-LOC")
        tree, base = _tree(options.path, where, "ImageNet", tops, [options.split]), options.split
    synsets = [name for name in tree.folders(base) if _SYNSET.fullmatch(name)]
    if options.synsets is not None:
        _check_there(options.synsets, synsets, base or "the folder", "the list", f"{where}.synsets")
        synsets = sorted(options.synsets)
    for folder in ["", *synsets] if options.synsets is None else synsets:
        for file in filter(is_image, tree.files("/".join(filter(None, (base, folder))))):
            name = f"{folder}/{file}" if folder else file
            yield _Clip(name, Place(tree.roots, "/".join(filter(None, (base, name)))))


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


def _vip(options: VipOptions, where: str) -> Iterator[_Clip]:
    marks = [options.frames, "lists"]
    tree = _tree(options.path, where, "VIP", ("", "VIP_Fine", "VIP_Sequence", "VIP", "VIP/VIP_Fine"), marks)
    there = tree.folders(options.frames)
    wanted = set(there if options.split == "all" else _vip_names(options, tree, where, there))
    masks = next((f"{at}{options.masks}" for at in ("Annotations/", "") if tree.folders(f"{at}{options.masks}")), None)
    for folder in _folders_of_frames(tree, options.frames, 2):
        name = folder.removeprefix(f"{options.frames}/")
        if name.split("/")[0] in wanted:
            annotated = masks and options.frames == "Images" and f"{masks}/{name}/*.png"
            yield _Clip(name, Place(tree.roots, f"{folder}/*", masks=annotated or None))


def _vip_names(options: VipOptions, tree: Tree, where: str, there: Sequence[str]) -> list[str]:
    """The videos of a split: lists name a video a line, or a frame of one."""
    lists = [f"lists/{options.split}_{what}.txt" for what in ("videos", "id")]
    found = next(filter(tree.has, lists), None)
    if found is None:
        raise UserError(f"{where}.split: no {' or '.join(lists)} in {options.path!r}: take all")
    listed = [word.split("/")[0] for word in _words(tree, found, where)]
    _check_there(listed, there, options.frames, found, where)
    return listed


@dataclass(frozen=True)
class MpiiOptions:
    """Where the image sequences of MPII Human Pose are."""

    path: Paths = option(help="the folder or the tars", minItems=1)
    license: str | None = option(None, "carried into the catalog")

    def __post_init__(self) -> None:
        check_paths(self.path)


def _mpii(options: MpiiOptions, where: str) -> Iterator[_Clip]:
    tree = Tree(tuple((path, "") for path in _paths(options.path, where)))
    for folder in _folders_of_frames(tree, "", 2):
        yield _Clip(os.path.basename(folder), Place(tree.roots, f"{folder}/*"))


# What they share


def _tree(path: Paths, where: str, what: str, tops: Sequence[str], marks: Sequence[str]) -> Tree:
    """The files of the paths as one tree.

    Args:
        tops: folders that an archive may have around everything else.
        marks: folders of which each path has one or more.

    Raises:
        UserError: a path has none of them.
    """
    roots: list[Root] = []
    for root in _paths(path, where):
        inside = next((top for top in tops if any(has_folder(root, f"{top}/{m}".strip("/")) for m in marks)), None)
        if inside is None:
            raise UserError(f"{where}.path: no {' or '.join(marks)} in {root!r}: is this {what} as unpacked?")
        roots.append((root, inside))
    return Tree(tuple(roots))


def _paths(path: Paths, where: str) -> list[str]:
    found = []
    for entry in [path] if isinstance(path, str) else path:
        pattern = expanded(entry)
        matches = [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern))
        if not matches:
            raise UserError(f"{where}.path {entry!r}: there is no such folder or archive")
        found += [os.path.normpath(match) for match in matches]
    return list(dict.fromkeys(found))


def _folders_of_frames(tree: Tree, base: str, deep: int) -> Iterator[str]:
    """Folders that have images in them, so many levels down at most; not what lies below such a folder."""
    for name in tree.folders(base):
        folder = f"{base}/{name}" if base else name
        if any(map(is_image, tree.files(folder))):
            yield folder
        elif deep > 1:
            yield from _folders_of_frames(tree, folder, deep - 1)


def _words(tree: Tree, name: str, where: str) -> list[str]:
    """The first word of each line of a list. Raises UserError where it cannot be read."""
    try:
        lines = text_of(tree.read(name) or b"").splitlines()
    except ValueError as error:
        raise UserError(f"{where}.path: {name} cannot be read: {error}") from error
    return list(dict.fromkeys(line.split()[0] for line in lines if line.strip()))


def _check_there(names: Iterable[str], there: Iterable[str], folder: str, listed: str, where: str) -> None:
    """Raises UserError where a list names what is not in its folder. So no name in a list ever becomes a path."""
    known = set(there)
    missing = [name for name in names if name not in known]
    if missing:
        raise UserError(
            f"{where}: {listed} names {quoted(missing[0])}{f' (and {len(missing) - 1} more)' if missing[1:] else ''}, "
            f"which is not in {folder}: unpack all of it, or name all its archives in path"
        )


def _source(name: str, options: type[Any], listing: Callable[[Any, str], Iterator[_Clip]], **more: Any) -> Source:
    def videos(options: Any, where: str) -> list[Video]:
        found: dict[str, Video] = {}
        try:
            for clip in listing(options, where):
                video = video_id(clip.name, folder=clip.place.frames.endswith("*"))
                if video in found:
                    raise UserError(f"{where}.path: {clip.name!r} and another would both be called {video}: rename one")
                license, size = clip.facts.license or options.license, place_bytes(clip.place)
                found[video] = Video(video, name, clip.place.uri(), license, size, clip.facts.about)
        except OSError as error:
            raise UserError(f"{where}.path: cannot read {error.filename!r}: {error.strerror}") from error
        if not found:
            raise UserError(f"{where}.path: no frames in {options.path!r}: is this {name} as unpacked?")
        return [found[video] for video in sorted(found)]

    reading: dict[str, Any] = {"numbers": archived.numbers, "read": archived.read, "state": archived.state}
    reading["within"] = archived.within
    return Source(
        **{"name": name, "options": options, "videos": videos, "truth": None, "select": "all", **reading, **more}
    )


SOURCES = (
    _source("davis", DavisOptions, _davis, masks=archived.masks),
    _source("sintel", SintelOptions, _sintel, truth=archived.truth),
    _source("kitti", KittiOptions, _kitti, truth=archived.truth),
    _source("voc", VocOptions, _voc, masks=archived.masks, single=True),
    _source("coco", CocoOptions, _coco, single=True),
    _source("imagenet", ImagenetOptions, _imagenet, single=True),
    _source("vip", VipOptions, _vip, masks=archived.masks),
    _source("mpii", MpiiOptions, _mpii),
)
