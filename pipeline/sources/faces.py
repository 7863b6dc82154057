"""Faces with named points as they come from their archives: CelebA and MAFL, AFLW as MTFL has it, 300-W.

docs/sources/points.md has the layouts.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from common_fate.errors import UserError
from common_fate.shards.limits import quoted
from pipeline.option import option
from pipeline.sources import archived
from pipeline.sources.archived import Place
from pipeline.sources.archives import Tree, has_folder
from pipeline.sources.listing import Paths, check_paths, text_of
from pipeline.sources.named_points import KNOWN_NAMES, Named, coordinate
from pipeline.sources.reading import is_image
from pipeline.sources.trees import Clip, check_there, first_words, folders_of_frames, paths_of, source_of, tree_of

_log = logging.getLogger(__name__)

_NAMES = KNOWN_NAMES["faces_5"]
_PARTITIONS = {"train": "0", "val": "1", "test": "2"}  # of CelebA
_MAFL = {"mafl_train": "training.txt", "mafl_test": "testing.txt"}


# CelebA, and MAFL, whose images are some of CelebA's


@dataclass(frozen=True)
class CelebaOptions:
    """Where CelebA is, as aligned and cropped, and which of its images."""

    path: Paths = option(help="the folder, its zip of images, the folder MAFL, or a list of these", minItems=1)
    split: str = option(
        "train_without_mafl_test",
        "CelebA's, or MAFL's lists; unsupervised methods train on CelebA's training images but for MAFL's test images",
        enum=["train", "val", "test", "all", *_MAFL, "train_without_mafl_test"],
    )
    license: str | None = option(None, "carried into the catalog")

    def __post_init__(self) -> None:
        check_paths(self.path)


def _celeba(options: CelebaOptions, where: str) -> Iterator[Clip]:
    tree = _tree(options.path, where, ("CelebA", "celeba"))
    tops = ("Img/img_align_celeba", "img_align_celeba", "img_align_celeba/img_align_celeba")
    base = next((top for top in tops if any(map(is_image, tree.files(top)))), None)
    if base is None:
        raise UserError(f"{where}.path: no img_align_celeba in {options.path!r}: name its folder or zip as well")
    known = _celeba_points(tree, where)
    wanted = sorted(known) if options.split == "all" else _celeba_split(tree, options, where)
    check_there(wanted, known, "list_landmarks_align_celeba.txt", options.split, where)
    check_there(wanted, tree.files(base), base, "list_landmarks_align_celeba.txt", where)
    for name in wanted:
        yield Clip(name, Place(tree.roots, f"{base}/{name}", named=known[name].listed()))


def _celeba_points(tree: Tree, where: str) -> dict[str, Named]:
    name, lines = _celeba_list(tree, "Anno", "list_landmarks_align_celeba", where)
    known: dict[str, Named] = {}
    for image, *words in lines:
        place = f"{where}.path: {name}: {quoted(image)}"
        if image in known:
            raise UserError(f"{place} stands twice")
        if words:
            known[image] = _five(words[0::2], words[1::2], place)
    return known


def _celeba_split(tree: Tree, options: CelebaOptions, where: str) -> list[str]:
    if options.split in _MAFL:
        return first_words(tree, _mafl_list(tree, _MAFL[options.split], where), where)
    partition = _PARTITIONS[options.split.removesuffix("_without_mafl_test")]
    _, lines = _celeba_list(tree, "Eval", "list_eval_partition", where)
    wanted = [words[0] for words in lines if words[1:] == [partition]]
    if options.split.endswith("_without_mafl_test"):
        left_out = set(first_words(tree, _mafl_list(tree, _MAFL["mafl_test"], where), where))
        wanted = [name for name in wanted if name not in left_out]
    return wanted


def _celeba_list(tree: Tree, folder: str, name: str, where: str) -> tuple[str, list[list[str]]]:
    """A list's name, and the words of its lines of images: as it comes, or as CSV; what stands above them is none."""
    found, lines = _lines(tree, [f"{folder}/{name}.txt", f"{name}.txt", f"{name}.csv"], where)
    split = (line.replace(",", " ").split() for line in lines)
    return found, [words for words in split if is_image(words[0])]


def _mafl_list(tree: Tree, name: str, where: str) -> str:
    return _there(tree, [f"MAFL/{name}", name], where)


# AFLW as "Facial Landmark Detection by Deep Multi-task Learning" (ECCV 2014) has it, with faces of LFW and the web


@dataclass(frozen=True)
class AflwOptions:
    """Where MTFL is, and which of its images: it trains on LFW and the web, and tests on AFLW."""

    path: Paths = option(help="the folder, or the zip", minItems=1)
    split: str = option("training", "which list", enum=["training", "testing", "all"])
    license: str | None = option(None, "carried into the catalog")

    def __post_init__(self) -> None:
        check_paths(self.path)


def _aflw(options: AflwOptions, where: str) -> Iterator[Clip]:
    tree = _tree(options.path, where, ("MTFL",))
    for split in ("training", "testing") if options.split == "all" else (options.split,):
        name, lines = _lines(tree, [f"{split}.txt"], where)
        known: dict[str, Named] = {}
        for number, line in enumerate(lines, 1):
            if words := line.split():
                place = f"{where}.path: {name}: line {number}"
                image = words[0].replace("\\", "/").removeprefix("./")
                if image.startswith("/") or ".." in image.split("/"):
                    raise UserError(f"{place}: {quoted(image)} leads out of the folder")
                if image in known:
                    raise UserError(f"{place}: {quoted(image)} stands twice")
                known[image] = _five(words[1:6], words[6:11], place)
        for folder in sorted({os.path.dirname(image) for image in known}):
            inside = [image for image in known if os.path.dirname(image) == folder]
            there = [f"{folder}/{file}" if folder else file for file in tree.files(folder)]
            check_there(inside, there, folder or "the folder", name, where)
        for image, points in known.items():
            yield Clip(image, Place(tree.roots, image, named=points.listed()))


# 300-W


@dataclass(frozen=True)
class ThreeHundredWOptions:
    """Where 300-W is, and which of its images."""

    path: Paths = option(help="the folder around afw, helen, ibug and lfpw, their zips, or a list of these", minItems=1)
    split: str = option(
        "train", "`test` is all of `common` and `challenging`", enum=["train", "test", "common", "challenging", "all"]
    )
    license: str | None = option(None, "carried into the catalog")

    def __post_init__(self) -> None:
        check_paths(self.path)


_PARTS = {
    "train": ("afw", "helen/trainset", "lfpw/trainset"),
    "common": ("helen/testset", "lfpw/testset"),
    "challenging": ("ibug",),
}
_PARTS["test"] = (*_PARTS["common"], *_PARTS["challenging"])


def _300w(options: ThreeHundredWOptions, where: str) -> Iterator[Clip]:
    tree = tree_of(options.path, where, "300-W", ("", "300W", "300w"), ["afw", "helen", "ibug", "lfpw", "01_Indoor"])
    if options.split == "all":
        folders = list(folders_of_frames(tree, "", 3))
    else:
        folders = list(_PARTS[options.split])
        if lacking := [folder for folder in folders if not tree.files(folder)]:
            raise UserError(f"{where}.split: no {lacking[0]} in {options.path!r}: unpack it there, or name its zip")
    without = 0
    for folder in folders:
        files = tree.files(folder)
        stems = {os.path.splitext(file)[0] for file in files if file.endswith(".pts")}
        for image in filter(is_image, files):
            if os.path.splitext(image)[0] in stems:
                yield Clip(f"{folder}/{image}", Place(tree.roots, f"{folder}/{image}", points=f"{folder}/*.pts"))
            else:
                without += 1
    if without:
        _log.warning("%s.path: left out %d images that have no .pts beside them", where, without)


# What they share


def _tree(path: Paths, where: str, tops: Sequence[str]) -> Tree:
    """The files of the paths, and of folders that these may have around everything else, as one tree."""
    roots = paths_of(path, where)
    return Tree(tuple((root, top) for root in roots for top in (*tops, "") if not top or has_folder(root, top)))


def _there(tree: Tree, names: Sequence[str], where: str) -> str:
    found = next(filter(tree.has, names), None)
    if found is None:
        raise UserError(f"{where}.path: no {' or '.join(names)} there: name the folder that has it as well")
    return found


def _lines(tree: Tree, names: Sequence[str], where: str) -> tuple[str, list[str]]:
    """The first of these lists that is there, and its lines."""
    name = _there(tree, names, where)
    try:
        return name, [line for line in text_of(tree.read(name) or b"").splitlines() if line.strip()]
    except ValueError as error:
        raise UserError(f"{where}.path: {name} cannot be read: {error}") from error


def _five(x: Sequence[str], y: Sequence[str], place: str) -> Named:
    """Five points of a line of a list."""
    if not len(x) == len(y) == len(_NAMES):
        raise UserError(f"{place} has no {len(_NAMES)} points")
    try:
        return Named(_NAMES, tuple((coordinate(b), coordinate(a), 1) for a, b in zip(x, y, strict=True)))
    except ValueError as error:
        raise UserError(f"{place}: {error}") from error


SOURCES = (
    source_of("celeba", CelebaOptions, _celeba, points=archived.points, single=True),
    source_of("aflw", AflwOptions, _aflw, points=archived.points, single=True),
    source_of("300w", ThreeHundredWOptions, _300w, points=archived.points, single=True),
)
