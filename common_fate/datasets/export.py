"""Samples as plain files that any program reads: pictures, flow, arrays, facts."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from common_fate.datasets.parts import PLAN
from common_fate.errors import ShardError, UserError
from common_fate.foreign.flow_files import flo_bytes, kitti_png_bytes
from common_fate.foreign.mat_files import mat_bytes
from common_fate.pictures import Picture, draw_flow_arrows, flow_to_color, typical_maximum
from common_fate.pictures.contour_map import ultrametric_contour_map
from common_fate.progress import progress
from common_fate.shards.column import Members, sound_shard
from common_fate.shards.files import tidy, write_atomic
from common_fate.shards.folders import alone
from common_fate.shards.limits import quoted
from common_fate.shards.members import Geometry, member
from common_fate.shards.record import Record, record_path


@dataclass(frozen=True)
class Forms:
    """Which files members become. Masks and labels are PNGs and facts JSON, as they are in the shards.

    images: `jpg`, the very bytes of the shard, or `png`, decoded.
    flow: `flo`, Middlebury's; `kitti`, 16-bit PNGs, which hold 1/64 px, as the shards do; `color` and `arrows`,
        pictures of it.
    regions: `png`, labels beside the tree; `ucm2`, both as one ultrametric contour map, `(2H + 1, 2W + 1)` boundary
        strengths as the Berkeley tools have them: the variable `ucm2` of a `.mat`.
    arrays: `npy`, or `csv` with a line a row.
    """

    images: Literal["jpg", "png"] = "jpg"
    flow: Literal["flo", "kitti", "color", "arrows"] = "flo"
    regions: Literal["png", "ucm2"] = "png"
    arrays: Literal["npy", "csv"] = "npy"


def export(source: Path, to: Path, keys: Sequence[str] = (), forms: Forms | None = None) -> int:
    """Writes samples of a view, a column or one shard to a folder, a file a member; returns how many files there are.

    Files are called `KEY.MEMBER.ENDING`. Each is written whole or not at all; one that is there with the same bytes
    stays.

    Args:
        keys: which samples; all, where none are named.

    Raises:
        UserError: there are no samples, or not these; the folder is a dataset's, cannot be written, or holds another
            file under one of the names, or is being written.
        ShardError: a shard or a member is damaged.
    """
    with alone(to):
        check_elsewhere(to)
        shards = _keys_by_shard(source, keys)
        count = sum(map(len, shards.values()))
        return sum(progress(_written(shards, to, forms or Forms()), count, f"export {source.name} (samples)"))


def check_elsewhere(to: Path) -> None:
    """Raises `UserError` where a folder for plain files lies within a dataset."""
    if any(
        (parent / PLAN).exists() for folder in (to.absolute(), to.resolve()) for parent in (folder, *folder.parents)
    ):
        raise UserError(f"{to}: lies in a dataset's own folder: name a folder elsewhere with --to")


def _keys_by_shard(source: Path, keys: Sequence[str]) -> dict[Path, list[str]]:
    """The keys to export of each shard that has any."""
    tars = [source] if source.is_file() else sorted(tar for tar in source.glob("*.tar") if tar.stem.isdecimal())
    wanted, found = set(keys), dict[Path, list[str]]()
    for tar in tars:
        if taken := [key for key in Record.read(record_path(tar)).keys if not wanted or key in wanted]:
            found[tar] = taken
    if missing := wanted - {key for taken in found.values() for key in taken}:
        raise UserError(f"{source}: has no sample {quoted(min(missing))}")
    if not found:
        raise UserError(f"{source}: has no samples: name a view (results/NAME/shards/VIEW), a column, or a shard")
    return found


def _written(shards: Mapping[Path, Sequence[str]], to: Path, forms: Forms) -> Iterator[int]:
    """Writes sample by sample, and says of each how many files it is."""
    for tar, keys in shards.items():
        with sound_shard(tar) as shard:
            for key in keys:
                try:
                    files = _files_of(key, shard[key], forms)
                except ValueError as error:
                    raise ShardError(f"{tar}: {key}: {error}") from error
                for name, data in files.items():
                    write_new(to / name, data)
                yield len(files)


def _files_of(key: str, sample: Members, forms: Forms) -> dict[str, bytes]:
    files = {}
    for extension in sample:
        stem, _, _ = extension.rpartition(".")
        prefix = extension[: -len("regions.png")]
        if forms.regions == "ucm2" and extension == f"{prefix}regions.png" and f"{prefix}tree.npy" in sample:
            stem, ending = f"{prefix}ucm2", "mat"
            data = mat_bytes("ucm2", ultrametric_contour_map(sample[extension], sample[f"{prefix}tree.npy"]))
        elif forms.regions == "ucm2" and member(extension).geometry == "tree":
            continue  # the regions have it
        else:
            ending, data = _file_of(member(extension).geometry, extension, sample, forms)
        name = ".".join(filter(None, (key, stem, ending)))
        if name in files:
            raise ValueError(f"two of its members would be {name}: choose another form of one")
        files[name] = data
    return files


def _file_of(geometry: Geometry, extension: str, sample: Members, forms: Forms) -> tuple[str, bytes]:
    """The ending and the bytes of a member's file. Every member is decoded, so that none that is damaged passes."""
    value, data = sample[extension], sample.encoded[extension]
    if geometry == "image" and forms.images == "png":
        return "png", _png(value)
    if geometry == "flow":
        prefix = ".".join(extension.split(".")[:-2])
        mask = f"{prefix}.valid.png".lstrip(".")
        frame = sample["jpg"] if extension in ("flow.b2", "truth.flow.b2") and "jpg" in sample else None
        return _flow_file(value, sample[mask] > 0 if mask in sample else None, frame, forms.flow)
    if isinstance(value, np.ndarray) and extension.endswith(".npy") and forms.arrays == "csv" and value.ndim in (1, 2):
        return "csv", _csv(value)
    return extension.rpartition(".")[2], data


def _flow_file(
    flow: NDArray[np.float32], valid: NDArray[np.bool_] | None, frame: Picture | None, form: str
) -> tuple[str, bytes]:
    if form == "flo":
        return "flo", flo_bytes(flow, valid)
    if form == "kitti":
        return "png", kitti_png_bytes(flow, valid)[0]
    if form == "arrows":
        return "png", _png(draw_flow_arrows(flow, valid, frame))
    return "png", _png(flow_to_color(flow, valid, typical_maximum(flow, valid)))


def _png(image: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def _csv(array: NDArray[Any]) -> bytes:
    """A line a row, each number with as many digits as bring it back."""
    rows = array.reshape(len(array), -1)
    return "".join(",".join(map(str, row)) + "\n" for row in rows.tolist() if row).encode()


def write_new(path: Path, data: bytes) -> None:
    """Writes a file, unless it is there; never over what somebody else put there, or through a link.

    Raises:
        UserError: it is there and is something else.
    """
    if os.path.lexists(path):
        if path.is_symlink() or not path.is_file() or path.stat().st_size != len(data) or path.read_bytes() != data:
            raise UserError(f"{path}: is there already, and is something else: name a new or empty folder with --to")
        tidy(path)
        return
    write_atomic(path, data)
