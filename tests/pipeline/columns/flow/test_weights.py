import hashlib
from pathlib import Path

import pytest

from common_fate.errors import UserError
from pipeline.columns.flow.networks import weights
from pipeline.columns.flow.networks.weights import checkpoint_path, checkpoint_provenance, fetch_weights, sha256_of

CONTENT = b"weights, as far as this test is concerned"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NAME = f"liteflownet-things-{DIGEST[:8]}.ckpt"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ptlflow's table, with addresses of files here; the file that `things` names."""
    served = tmp_path / "served"
    served.mkdir()
    (served / NAME).write_bytes(CONTENT)
    (served / "liteflownet-kitti-00000000.ckpt").write_bytes(CONTENT)

    class Model:
        pretrained_checkpoints = {  # noqa: RUF012
            "things": (served / NAME).as_uri(),
            "kitti": (served / "liteflownet-kitti-00000000.ckpt").as_uri(),
            "gone": (served / "liteflownet-gone-11111111.ckpt").as_uri(),
        }

    Model.__module__ = "ptlflow.models.raft.raft"
    monkeypatch.setattr(weights, "model_class", lambda model: Model)
    return served / NAME


def test_missing_weights_say_which_file_whose_and_how_to_get_it(published: Path, tmp_path: Path):
    with pytest.raises(UserError) as raised:
        checkpoint_path("liteflownet", "things", str(tmp_path / "checkpoints"))
    message = str(raised.value)
    assert f"checkpoints/{NAME} is missing" in message
    assert "academic research use only" in message
    assert published.as_uri() in message
    assert "python -m pipeline fetch-weights ptlflow:liteflownet things --accept-licence" in message
    assert "\n" not in message
    assert not (tmp_path / "checkpoints").exists()


def test_the_licence_of_other_models_is_where_ptlflow_says(published: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"terms of the model's authors.*ptlflow/models/raft"):
        checkpoint_path("raft", "things", str(tmp_path))


def test_no_checkpoint_and_an_unknown_one_list_the_published(published: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"needs a checkpoint: .*: gone, kitti, things"):
        checkpoint_path("liteflownet", None, str(tmp_path))
    with pytest.raises(UserError, match=r"no checkpoint 'my\.ckpt': there is no such file, .*: gone, kitti, things"):
        checkpoint_path("liteflownet", "my.ckpt", str(tmp_path))


def test_a_path_is_taken_as_it_is(published: Path, tmp_path: Path):
    mine = tmp_path / "mine.ckpt"
    mine.write_bytes(b"1")
    assert checkpoint_path("liteflownet", str(mine), "nowhere") == mine


def test_fetched_weights_are_found_by_name_and_recorded(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = fetch_weights("ptlflow:liteflownet", "things", tmp_path / "a/b", accept_licence=True)
    assert path == tmp_path / "a/b" / NAME
    assert path.read_bytes() == CONTENT
    assert f"{path}: sha256 {DIGEST}" in capsys.readouterr().out
    assert checkpoint_path("liteflownet", "things", str(tmp_path / "a/b")) == path
    facts = checkpoint_provenance("liteflownet", "things", str(tmp_path / "a/b"))
    assert (facts["checkpoint"], facts["checkpoint_sha256"]) == (NAME, DIGEST)
    assert set(facts) == {"checkpoint", "checkpoint_sha256", "ptlflow", "torch"}


def test_nothing_is_fetched_before_the_licence_is_accepted(published: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"academic research use only.*add --accept-licence"):
        fetch_weights("ptlflow:liteflownet", "things", tmp_path / "checkpoints", accept_licence=False)
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize(("checkpoint", "reason"), [("gone", "could not be fetched"), ("kitti", "invalid hash value")])
def test_a_failed_download_leaves_nothing(published: Path, tmp_path: Path, checkpoint: str, reason: str):
    with pytest.raises(UserError, match=reason):
        fetch_weights("ptlflow:liteflownet", checkpoint, tmp_path / "checkpoints", accept_licence=True)
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_dis_has_no_weights(tmp_path: Path):
    with pytest.raises(UserError, match="only ptlflow models have weights"):
        fetch_weights("dis", "things", tmp_path, accept_licence=True)


def test_a_damaged_file_under_a_published_name_is_refused(published: Path, tmp_path: Path):
    (tmp_path / NAME).write_bytes(CONTENT[:-1])
    with pytest.raises(UserError, match="not the published file"):
        checkpoint_path("liteflownet", "things", str(tmp_path))


def test_a_changed_file_gets_a_new_sha256(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"one")
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"one").hexdigest()
    (tmp_path / "a").write_bytes(b"other")
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"other").hexdigest()
