"""A folder of images to contours and region trees as files, for the Berkeley tools and the benchmark."""

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from common_fate.errors import SampleError, check_machine
from common_fate.foreign.files import open_file
from common_fate.foreign.mat_files import mat_bytes
from common_fate.pictures.contour_map import ultrametric_contour_map
from common_fate.progress import progress
from common_fate.shards.files import write_atomic
from common_fate.shards.record import file_sha256
from pipeline.columns.regions.contours.detectors import Strength, create_detector, map_path
from pipeline.columns.regions.contours.ridges import ridges
from pipeline.columns.regions.stage import STAGE, RegionOptions, contours_of, regions_of
from pipeline.sources.listing import images_by_stem
from pipeline.sources.reading import read_image

FAILURES = "failures.csv"
_KINDS = {"contours": ".png", "ridges": ".png", "ucm2": ".mat"}


@dataclass(frozen=True)
class Segmented:
    """What became of a folder's images: how many were made, how many stood, and the reasons of those that failed."""

    made: int
    stood: int
    failures: Mapping[str, str]


def segment(images: Path, to: Path, options: RegionOptions) -> Segmented:
    """Writes each image's contours and ultrametric contour map, but for those that stand.

    `to/contours/NAME.png` is `(H, W)`, 16 bits for [0, 1], as the detector `maps` reads it; `to/ridges/NAME.png` is
    what becomes regions, spectral signal and all, one pixel wide as benchmarks want it; `to/ucm2/NAME.mat` has the
    tree's `(2H+1, 2W+1)` map as `ucm2`. `to/records/NAME.json`, written last, says from which image and with which
    options; where it says otherwise than would be said now, the image is made again. An image that cannot be made is a
    row of `to/failures.csv`, with the reason, and has no files; without any there is no such file.

    Args:
        images: a folder of images, none of which differ in their extension alone.

    Raises:
        UserError: there are no images, two have one name, what a detector needs is missing, or a disk failed.
    """
    paths = images_by_stem(images, str(images))
    detector = create_detector(options)
    facts = {"stage": STAGE.name, "version": STAGE.version, "options": asdict(options), **STAGE.provenance(options)}
    stood = 0
    failures: dict[str, str] = {}
    for name, path in progress(paths.items(), len(paths), "segment"):
        sample = {"video": name, "frame": 0}
        try:
            with open_file(path) as file:
                inputs = {"image": hashlib.file_digest(file, "sha256").hexdigest()}
                if ready_made := map_path(options, sample):
                    inputs["map"] = file_sha256(ready_made)
                record = (json.dumps({**facts, "inputs": inputs}, indent=1) + "\n").encode()
                if _stands(name, to, record):
                    stood += 1
                    continue
                file.seek(0)
                image = read_image(file)
            made = _segmented(detector({"jpg": image, "json": sample}), options)
        except (SampleError, OSError) as error:
            check_machine(error, str(path))
            failures[path.name] = str(error) if isinstance(error, SampleError) else f"cannot be read: {error.strerror}"
            _remove(name, to)
            continue
        _record(name, to).unlink(missing_ok=True)  # of other options: it is no proof of files that are in part new
        for to_write, data in zip(_files(name, to), made, strict=True):
            write_atomic(to_write, data)
        write_atomic(_record(name, to), record)
    _write_failures(failures, to / FAILURES)
    return Segmented(len(paths) - stood - len(failures), stood, failures)


def _segmented(strength: Strength, options: RegionOptions) -> Sequence[bytes]:
    """The contents of an image's files."""
    whole = contours_of(strength, options)
    ucm2 = mat_bytes("ucm2", ultrametric_contour_map(*regions_of(whole, options)))
    return _png(strength), _png(ridges(whole)), ucm2


def _png(strength: Strength) -> bytes:
    return cv2.imencode(".png", np.rint(strength * np.float32(65535)).astype(np.uint16))[1].tobytes()


def _files(name: str, to: Path) -> list[Path]:
    return [to / kind / f"{name}{ending}" for kind, ending in _KINDS.items()]


def _record(name: str, to: Path) -> Path:
    return to / "records" / f"{name}.json"


def _stands(name: str, to: Path, record: bytes) -> bool:
    """Whether all of an image's files are there, made from it as they would be now."""
    path = _record(name, to)
    return path.is_file() and path.read_bytes() == record and all(file.is_file() for file in _files(name, to))


def _remove(name: str, to: Path) -> None:
    """Deletes what was made of an image that is another now."""
    for file in (_record(name, to), *_files(name, to)):
        file.unlink(missing_ok=True)


def _write_failures(failures: Mapping[str, str], to: Path) -> None:
    if not failures:
        to.unlink(missing_ok=True)
        return
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("image", "reason"), *failures.items()])
    write_atomic(to, text.getvalue().encode())
