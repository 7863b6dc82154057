"""Videos of benchmarks as they come from their archives: frames, flow and masks by name, in folders, zips or tars."""

import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common_fate.datasets.catalog import Video
from common_fate.errors import SampleError, check_machine
from common_fate.foreign.flow_files import read_flo, read_kitti_png
from pipeline.sources.archives import Root, Tree
from pipeline.sources.named_points import hidden_outside, named_points, read_pts
from pipeline.sources.numbering import numbered, same_but_for_ending
from pipeline.sources.reading import (
    check_beside,
    is_image,
    no_flow,
    of_one_size,
    read_image,
    read_labels,
    upright_size,
)
from pipeline.sources.source import Frame, Points, State, Truth, Unreadable


@dataclass(frozen=True)
class Place:
    """Where a video's files are, which is all that reading takes; as JSON its `uri`.

    Names are relative to the roots. A name that ends in `*` stands for all images that begin as it does; one without is
    a single image. Elsewhere `*` stands for the stem of a frame's file, such as `flow/alley_1/*.flo`.
    """

    roots: tuple[Root, ...]
    frames: str
    masks: str | None = None
    binary: bool = False  # of masks: one object, whatever its label
    flow: str | None = None  # to the next frame
    flow_visible: str | None = None  # the same, of pixels alone that are seen in the next frame
    invalid: str | None = None
    occlusions: str | None = None
    points: str | None = None  # files of named points
    named: Mapping[str, Any] | None = None  # the points themselves, where one file has those of all

    @property
    def tree(self) -> Tree:
        """Where the names lead."""
        return Tree(self.roots)

    def uri(self) -> str:
        """Returns the place as JSON."""
        given = {name: value for name, value in vars(self).items() if value not in (None, False)}
        return json.dumps(given, sort_keys=True, ensure_ascii=False)

    def names(self) -> dict[int, str]:
        """Returns the names of the frames by number, ascending."""
        if not self.frames.endswith("*"):
            return {0: self.frames}
        folder, _, start = self.frames[:-1].rpartition("/")
        files = self.tree.files(folder)
        found = numbered(name for name in files if name.startswith(start) and is_image(name))
        return {number: f"{folder}/{name}" if folder else name for number, name in found.items()}

    def files(self) -> list[str]:
        """Returns the names of all files that shape what is read, of which some may not be there."""
        beside = (self.masks, self.flow, self.flow_visible, self.invalid, self.occlusions, self.points)
        templates = [template for template in beside if template]
        return [file for name in self.names().values() for file in (name, *(_beside(t, name) for t in templates))]


def place_of(video: Video) -> Place:
    """Reads a uri."""
    values: dict[str, Any] = json.loads(video.uri)
    return Place(**values | {"roots": tuple((path, inside) for path, inside in values["roots"])})


def within(video: Video) -> str:
    """Returns all of a uri but where the roots lie, see `Source.within`."""
    place = place_of(video)
    return replace(place, roots=tuple(("", inside) for _, inside in place.roots)).uri()


def place_bytes(place: Place) -> int:
    """Returns the bytes of all that is read of a video. Raises OSError where a folder or an archive cannot be read."""
    return sum(place.tree.state(file)[0] for file in place.files())


def state(video: Video) -> State:
    """Returns what changes when the video does, see `Source.state`."""
    place = place_of(video)
    try:
        states = [place.tree.state(file) for file in place.files()]
    except OSError as error:
        check_machine(error, video.video)
        return 0, 0
    return sum(size for size, _ in states), sum(stamp for _, stamp in states)


def numbers(video: Video) -> Sequence[int]:
    """Returns the frame numbers, see `Source.numbers`."""
    return list(_names(place_of(video)))


def read(video: Video, wanted: Sequence[int]) -> Iterator[Frame | Unreadable]:
    """Yields the asked frames, see `Source.read`."""
    place = place_of(video)
    names = _names(place)

    def frames() -> Iterator[Frame | Unreadable]:
        for number in wanted:
            try:
                if number not in names:
                    raise SampleError("no such frame")
                yield Frame(number, None, _image(place.tree, names[number]))
            except SampleError as error:
                check_machine(error, f"{place.roots[0][0]}: {names.get(number)}")
                yield Unreadable(number, str(error))

    return of_one_size(frames())


def truth(video: Video, frame: int, next_frame: int) -> Truth | None:
    """Returns the ground truth, see `Source.truth`. Benchmarks know the flow to the frame after, and no other.

    Raises:
        SampleError: the truth is damaged.
    """
    place = place_of(video)
    names = _names(place)
    following = dict(zip(names, list(names)[1:], strict=False))
    if place.flow is None or following.get(frame) != next_frame:
        return None
    known = _flow(place.tree, place.flow, names[frame])
    if known is None:
        return None
    flow, valid = known
    check_beside(io.BytesIO(_bytes(place.tree, names[frame])), valid.shape, "flow")
    occlusion = _mask(place.tree, place.occlusions, names[frame], valid.shape)
    invalid = _mask(place.tree, place.invalid, names[frame], valid.shape)
    if (visible := _flow(place.tree, place.flow_visible, names[frame])) is not None:
        _check_shape(visible[1], valid.shape)
        occlusion = valid & ~visible[1]
    if invalid is not None:
        valid = valid & ~invalid
    return Truth(np.where(valid, flow, np.float32(0)), valid, occlusion)


def masks(video: Video, frame: int) -> NDArray[np.uint8] | None:
    """Returns the labels of a frame, see `Source.masks`.

    Raises:
        SampleError: the mask is damaged, or of another size than the frame.
    """
    place = place_of(video)
    name = _names(place).get(frame)
    data = None if name is None else _read_beside(place.tree, place.masks, name)
    if data is None or name is None:
        return None
    # Whatever the year in config.yaml says: DAVIS-2016's own masks are grey, and 255 is the object.
    labels = read_labels(io.BytesIO(data), place.binary, recognised=video.kind == "davis")
    check_beside(io.BytesIO(_bytes(place.tree, name)), labels.shape, "a mask")
    return labels


def points(video: Video, frame: int) -> Points | None:
    """Returns the named points of a frame, see `Source.points`. Those that lie outside of it are hidden.

    Raises:
        SampleError: the points are damaged, or of another image than this one, or an EXIF tag turns it.
    """
    place = place_of(video)
    name = _names(place).get(frame)
    data = None if name is None else _read_beside(place.tree, place.points, name)
    if name is None or (data is None and place.named is None):
        return None
    named = named_points(place.named) if data is None else read_pts(data)
    size = upright_size(io.BytesIO(_bytes(place.tree, name)), "its points")
    return hidden_outside(named.at(size))


def _names(place: Place) -> dict[int, str]:
    try:
        names = place.names()
    except OSError as error:
        raise SampleError(f"cannot be read: {error.strerror}") from error
    if not names:
        raise SampleError("no image in the folder")
    if same_but_for_ending(names.values()):
        raise SampleError("two images have one name but for its extension: which of them is the frame?")
    return names


def _beside(template: str, frame: str) -> str:
    """The name of the file that goes with a frame."""
    start, _, end = template.rpartition("*")
    return start + os.path.splitext(os.path.basename(frame))[0] + end


def _read_beside(tree: Tree, template: str | None, frame: str) -> bytes | None:
    return None if template is None else tree.read(_beside(template, frame))


def _image(tree: Tree, name: str) -> NDArray[np.uint8]:
    return read_image(io.BytesIO(_bytes(tree, name)))


def _bytes(tree: Tree, name: str) -> bytes:
    data = tree.read(name)
    if data is None:
        raise SampleError("no such file")
    return data


def _flow(tree: Tree, template: str | None, frame: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
    data = _read_beside(tree, template, frame)
    if data is None or template is None:
        return None
    try:
        return (read_flo if template.endswith(".flo") else read_kitti_png)(io.BytesIO(data))
    except ValueError as error:
        fault = no_flow(data[:32], os.path.splitext(template)[1])
        raise SampleError(f"the ground-truth flow is {fault or 'damaged'}") from error


def _mask(tree: Tree, template: str | None, frame: str, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """A mask file, white where it holds, or None where there is none."""
    data = _read_beside(tree, template, frame)
    if data is None:
        return None
    image = read_image(io.BytesIO(data))
    _check_shape(image[..., 0], shape)
    return image[..., 0] > 127


def _check_shape(mask: NDArray[Any], shape: tuple[int, ...]) -> None:
    if mask.shape != shape:
        raise SampleError(f"a mask of {mask.shape[1]}x{mask.shape[0]} beside flow of {shape[1]}x{shape[0]}")
