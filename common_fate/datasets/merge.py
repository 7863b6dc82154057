"""Merging: the same view of several datasets as one view of a new dataset."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common_fate.datasets.copied_views import Origin, check_name, open_origin, pieces_of, write_set
from common_fate.errors import UserError
from common_fate.shards.folders import alone
from common_fate.shards.record import Record


def merge(folders: Sequence[Path], dataset: Path) -> Path:
    """Writes a new dataset with the shards of several views, one after the other; returns its view's folder.

    Ids are kept apart by the name of the dataset they come from: `bear` of `davis` is `davis__bear`. Everything else of
    a sample stays as it is.

    Raises:
        UserError: there are fewer than two views, two are of datasets of one name, they do not go together, a shard is
            damaged, or `dataset` is another dataset or is being written.
    """
    check_name(dataset.name, "--dataset")
    if len(folders) < 2:
        raise UserError("merge takes two views or more")
    origins = [open_origin(folder) for folder in folders]
    for number, origin in enumerate(origins):
        if twin := next((other for other in origins[:number] if other.dataset == origin.dataset), None):
            raise UserError(
                f"{twin.folder} and {origin.folder} are both of a dataset {origin.dataset}, and their ids would be the "
                "same: give one of the datasets' folders another name"
            )
    pieces = [piece for o in origins for piece in pieces_of(o, lambda video: True, f"{o.dataset}__")]
    with alone(dataset):
        return write_set(dataset, pieces)


def differences(folders: Sequence[Path]) -> list[str]:
    """Returns the options that differ between views, a line each; every shard's record has its own."""
    options = {}
    for origin in map(open_origin, folders):
        options[origin.dataset] = dict(_flat(_first_record(origin).options))
    names = dict.fromkeys(name for values in options.values() for name in values)
    lines = []
    for name in names:
        values = {dataset: values.get(name) for dataset, values in options.items()}
        if len({repr(value) for value in values.values()}) > 1:
            lines.append(f"{name}: " + ", ".join(f"{value} in {dataset}" for dataset, value in values.items()))
    return lines


def _first_record(origin: Origin) -> Record:
    return Record.read(pieces_of(origin, lambda video: True)[0].tar.with_suffix(".json"))


def _flat(options: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Options by dotted name: `flow.preset`."""
    flat = []
    for name, value in options.items():
        flat += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return flat
