"""Images and masks on disk, each a file of its own or in an archive. Nothing here imports torch."""

import io
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from common_fate.errors import SampleError
from pipeline.sources.archives import Tree


@dataclass(frozen=True)
class Member:
    """A file of a tree of folders and archives, by the name that it has there."""

    tree: Tree
    path: str

    def __str__(self) -> str:
        return f"{self.path} of {' and '.join(dict.fromkeys(path for path, _ in self.tree.roots))}"

    @property
    def name(self) -> str:
        """Its name without folders."""
        return PurePosixPath(self.path).name

    @property
    def suffix(self) -> str:
        """The ending of its name, with the dot."""
        return PurePosixPath(self.path).suffix


File = Path | Member


def opened(file: File) -> str | BinaryIO:
    """Returns what readers of images take: a path, or the bytes of a member.

    Raises:
        SampleError: a member is gone, damaged or too large.
    """
    if isinstance(file, Path):
        return str(file)
    data = file.tree.read(file.path)
    if data is None:
        raise SampleError("is not there")
    return io.BytesIO(data)
