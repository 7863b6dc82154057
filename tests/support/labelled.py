"""Small images whose classes are colours, as several tests of labelled images have them."""

import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

COLOURS = {"blue": (40, 60, 220), "green": (40, 200, 60), "red": (220, 40, 40)}


def coloured(colour: Sequence[int], seed: int, side: int = 40) -> bytes:
    """A JPEG of that colour under noise, darker or brighter."""
    rng = np.random.default_rng(seed)
    image = np.array(colour) * rng.uniform(0.5, 1.1) + rng.normal(0, 12, (side, side + 8, 3))
    return cv2.imencode(".jpg", np.clip(image, 0, 255).astype(np.uint8)[..., ::-1])[1].tobytes()


def write_classes(folder: Path, images: int, names: Sequence[str] = tuple(COLOURS), first: int = 0) -> Path:
    """Writes so many images into a folder for each class."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(first, first + images):
            (folder / name / f"{i:03d}.jpg").write_bytes(coloured(COLOURS[name], 1000 * number + i))
    return folder


def write_zip(path: Path, folder: Path) -> Path:
    """Packs what lies in a folder, by names that begin with the folder's own."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder.parent))
    return path


def tar_of(members: Mapping[str, bytes]) -> bytes:
    """A tar, also of tars."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def write_voc(
    root: Path, images: Mapping[str, Sequence[tuple[str, Mapping[str, int]]]], classes: Sequence[str]
) -> Path:
    """Writes VOC's layout: by set, its images by id with the classes that they have, 1, or may have, 0."""
    lists = root / "ImageSets/Main"
    lists.mkdir(parents=True, exist_ok=True)
    (root / "JPEGImages").mkdir(exist_ok=True)
    for name, listed in images.items():
        for one in classes:
            lines = (f"{image} {labels.get(one, -1):2d}\n" for image, labels in listed)
            (lists / f"{one}_{name}.txt").write_text("".join(lines))
    return root
