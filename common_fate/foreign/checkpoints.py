"""Files that PyTorch writes (`.pth`, `.ckpt`), from elsewhere: what they unpack to, before they are loaded."""

import zipfile
from pathlib import Path

from common_fate.foreign.files import open_file


def check_unpacked(path: Path) -> None:
    """Checks that a checkpoint unpacks to no more bytes than the file has.

    Whoever loads it gives `weights_only=True`, so that nothing in it runs; this is about memory.

    Raises:
        OSError: the file cannot be read.
        ValueError: an archive unpacks to more bytes than the file has. PyTorch itself writes none, but reads them.
    """
    with open_file(path) as file:
        if not zipfile.is_zipfile(file):
            return
        try:
            with zipfile.ZipFile(file) as archive:
                sizes = [member.file_size for member in archive.infolist()]
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise ValueError(f"a damaged archive: {error}") from error
        if sum(sizes) > file.seek(0, 2):
            raise ValueError(f"unpacks to {sum(sizes)} bytes, which is more than it has")
