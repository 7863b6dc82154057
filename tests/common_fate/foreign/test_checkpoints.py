"""Files of weights that mean harm."""

import pickle
import resource
import zipfile
from pathlib import Path

import pytest
import torch

from common_fate.errors import UserError
from common_fate.foreign.checkpoints import check_unpacked
from tests.support.hostile.view import Payload
from trainers.models.encoders import load_encoder
from trainers.models.weights_file import read_weights


def packed(path: Path, megabytes: int) -> Path:
    """A state dict whose archive is compressed: a thousandth of what it unpacks to."""
    torch.save({"a": torch.zeros(megabytes << 18)}, path.with_suffix(".plain"))
    with zipfile.ZipFile(path.with_suffix(".plain")) as plain, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as to:
        for name in plain.namelist():
            to.writestr(name, plain.read(name))
    path.with_suffix(".plain").unlink()
    return path


def test_what_torch_saves_passes(tmp_path: Path):
    torch.save({"a": torch.zeros(1000)}, tmp_path / "a.pth")
    check_unpacked(tmp_path / "a.pth")
    torch.save({"a": torch.zeros(1000)}, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    check_unpacked(tmp_path / "a.pth")


def test_an_archive_that_unpacks_to_more_than_it_is_is_refused(tmp_path: Path):
    path = packed(tmp_path / "a.pth", megabytes=128)
    assert path.stat().st_size < 2**18
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=r"a\.pth: not a file of weights .* unpacks to 13\d+ bytes"):
        load_encoder(path, "resnet18")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_a_file_that_runs_code_is_refused(tmp_path: Path, name: str):
    marker, path = tmp_path / "ran", tmp_path / name
    for write in (
        lambda: path.write_bytes(pickle.dumps(Payload(str(marker)))),
        lambda: torch.save({"a": Payload(str(marker))}, path),
    ):
        write()
        with pytest.raises(UserError, match=r"not a file of weights"):
            load_encoder(path, "resnet18")
        with pytest.raises(UserError, match=r"not weights that this project saved"):
            read_weights(path, "pt")
    assert not marker.exists()


@pytest.mark.parametrize("about", ["[" * 10_000, "[]", '{"a": NaN}', '{"a": 1, "a": 2}'])
def test_what_weights_say_of_themselves_is_not_trusted(tmp_path: Path, about: str):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", {"about": about})
    with pytest.raises(UserError, match="not weights that this project saved"):
        read_weights(tmp_path / "a.safetensors", "pt")
