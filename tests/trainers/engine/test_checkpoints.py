"""The checkpoint of a run, which may have been copied from elsewhere with its folder."""

import io
import os
import zipfile
from pathlib import Path

import pytest
import torch

from common_fate.errors import UserError
from trainers.engine.checkpoints import CHECKPOINT, read_checkpoint, write_checkpoint


def packed(path: Path) -> None:
    """The same archive, but compressed: a thousandth of what it stands for."""
    buffer = io.BytesIO()
    torch.save({"weights": torch.zeros(2**23)}, buffer)
    with zipfile.ZipFile(buffer) as whole, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as small:
        for name in whole.namelist():
            small.writestr(name, whole.read(name))
    assert path.stat().st_size < 2**17


def test_a_checkpoint_reads_back_and_there_may_be_none(tmp_path: Path):
    assert read_checkpoint(tmp_path) is None
    write_checkpoint(tmp_path, {"step": 3, "weights": [torch.arange(4)]})
    state = read_checkpoint(tmp_path)
    assert state is not None
    assert (state["step"], state["weights"][0].tolist()) == (3, [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("put", "says"),
    [
        (packed, "unpacks to [0-9]+ bytes, which is more than it has"),
        (os.mkfifo, "not a regular file"),
        (Path.mkdir, "not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
        (lambda path: path.write_bytes(b"PK"), ""),
    ],
)
def test_what_is_no_checkpoint_of_ours_is_one_line(tmp_path: Path, put: object, says: str):
    put(tmp_path / CHECKPOINT)  # type: ignore[operator]
    with pytest.raises(UserError, match=rf"last\.ckpt: cannot be read \(.*{says}.*\): remove it") as refusal:
        read_checkpoint(tmp_path)
    assert "\n" not in str(refusal.value)
