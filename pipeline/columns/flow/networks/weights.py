"""Weights of ptlflow's models: where a checkpoint lies, whose it is, and how to get it. None is fetched silently."""

from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from common_fate.errors import UserError
from common_fate.shards.record import file_sha256

PREFIX = "ptlflow:"
_RESEARCH_ONLY = "The weights of LiteFlowNet are the authors' (T.-W. Hui et al.), for academic research use only."
_OTHER = "The weights are under the terms of the model's authors and of the data it was trained on; read {page}."


def model_class(model: str) -> Any:
    """Returns ptlflow's class of that name; raises `UserError` with the nearest names there are."""
    import ptlflow

    names = ptlflow.get_model_names()
    if model not in names:
        near = get_close_matches(model, names, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(names)}"
        raise UserError(f"ptlflow has no model {model!r}: {hint}")
    return ptlflow.get_model_reference(model)


def checkpoint_path(model: str, checkpoint: str | None, checkpoint_dir: str) -> Path:
    """Returns the file of a model's checkpoint.

    Args:
        checkpoint: a path, or one of ptlflow's names for the model, whose file then lies in `checkpoint_dir` under the
            name it was published with.

    Raises:
        UserError: no such file or name, or a damaged file; the message says what to do.
    """
    if checkpoint is not None and Path(checkpoint).is_file():
        return Path(checkpoint)
    url = _published(model, checkpoint)
    path = Path(checkpoint_dir) / _file_name(url)
    if not path.is_file():
        raise UserError(
            f"{path} is missing: the checkpoint {checkpoint!r} of ptlflow:{model}. {licence(model)} It is at {url}; "
            f"to fetch it: python -m pipeline fetch-weights ptlflow:{model} {checkpoint} --accept-licence"
        )
    digest = sha256_of(path)
    if not digest.startswith(_published_digest(path.name)):
        raise UserError(f"{path} is not the published file (its sha256 is {digest}): delete it and fetch it again")
    return path


def checkpoint_provenance(model: str, checkpoint: str | None, checkpoint_dir: str) -> dict[str, Any]:
    """Returns the file name and sha256 of a checkpoint, and the versions of ptlflow and PyTorch that run it."""
    path = checkpoint_path(model, checkpoint, checkpoint_dir)
    return {
        "checkpoint": path.name,
        "checkpoint_sha256": sha256_of(path),
        "ptlflow": version("ptlflow"),
        "torch": version("torch"),
    }


def fetch_weights(name: str, checkpoint: str | None, directory: str | Path, accept_licence: bool) -> Path:
    """Downloads a published checkpoint into `directory`, and says its sha256.

    Args:
        name: an estimator, `ptlflow:NAME`.
        checkpoint: one of ptlflow's names for the model's checkpoints.

    Raises:
        UserError: the licence is not accepted, there is no such checkpoint, or the download fails; no half file stays.
    """
    from torch.hub import download_url_to_file

    if not name.startswith(PREFIX):
        raise UserError(f"only ptlflow models have weights to fetch, not {name!r}: name one as {PREFIX}liteflownet")
    model = name.removeprefix(PREFIX)
    url = _published(model, checkpoint)
    path = Path(directory) / _file_name(url)
    if not accept_licence:
        raise UserError(f"{licence(model)} To fetch {path.name} from {url}, add --accept-licence.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        download_url_to_file(url, str(path), hash_prefix=_published_digest(path.name) or None)
    except (OSError, RuntimeError) as error:  # torch raises RuntimeError where the sha256 is not the published one
        raise UserError(f"{url} could not be fetched: {error}") from error
    print(f"{path}: sha256 {sha256_of(path)}")
    return path


def licence(model: str) -> str:
    """Returns a sentence that says what a model's weights may be used for, or where their terms are."""
    if model.startswith("liteflownet"):
        return _RESEARCH_ONLY
    folder = model_class(model).__module__.split(".")[2]
    return _OTHER.format(page=f"https://github.com/hmorimitsu/ptlflow/tree/main/ptlflow/models/{folder}")


def sha256_of(path: Path) -> str:
    """Returns the sha256 of a file, computed once as long as the file does not change."""
    stat = path.stat()
    return _sha256(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=16)
def _sha256(path: Path, modified: int, size: int) -> str:
    return file_sha256(path)


def _published(model: str, checkpoint: str | None) -> str:
    """The address of a checkpoint in ptlflow's own table."""
    table: dict[str, str] = getattr(model_class(model), "pretrained_checkpoints", {})
    names = ", ".join(sorted(table)) or "none"
    if checkpoint is None:
        raise UserError(f"ptlflow:{model} needs a checkpoint: the path of a file, or one of the published: {names}")
    if checkpoint not in table:
        raise UserError(
            f"ptlflow:{model} has no checkpoint {checkpoint!r}: there is no such file, and published are: {names}"
        )
    return table[checkpoint]


def _file_name(url: str) -> str:
    return Path(urlparse(url).path).name


def _published_digest(file_name: str) -> str:
    """The beginning of the sha256 that a published file carries in its name (`raft-things-802bbcfd.ckpt`), or ""."""
    digest = Path(file_name).stem.rpartition("-")[2]
    return digest if len(digest) >= 8 and set(digest) <= set("0123456789abcdef") else ""
