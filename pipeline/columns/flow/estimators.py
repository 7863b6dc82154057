"""What an estimator is, which there are, and how one is made from its name."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import UserError

Estimator = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
"""From first and second frames, `(B, 3, H, W)` RGB in [0, 1] each, to flow `(B, 2, H, W)` in pixels, all float32.

NumPy on both sides, so that an estimator without a network needs no torch. Raises `SampleError` for images that it
cannot take.
"""

DIS_PRESETS = ("ultrafast", "fast", "medium")


@dataclass(frozen=True)
class Family:
    """Estimators that are made alike, named `family` or `family:model`.

    Args:
        options: the fields of `FlowOptions` that `create` and `provenance` take as keywords.
        models: whether a model has to be named.
        create: `(model, **options) -> Estimator`; may take long.
        provenance: `(model, **options)` to what of software and weights shapes the flow, for the record.
    """

    options: tuple[str, ...]
    models: bool
    create: Callable[..., Estimator]
    provenance: Callable[..., dict[str, Any]]


# Imports wait until an estimator is made: a DIS job never loads torch, and a plan loads neither.


def _create_dis(model: str, **options: Any) -> Estimator:
    from pipeline.columns.flow.dis import dis

    return dis(**options)


def _dis_provenance(model: str, **options: Any) -> dict[str, Any]:
    from pipeline.columns.flow.dis import dis_provenance

    return dis_provenance()


def _create_ptlflow(model: str, **options: Any) -> Estimator:
    from pipeline.columns.flow.networks.ptlflow_models import ptlflow_estimator

    return ptlflow_estimator(model, **options)


def _ptlflow_provenance(model: str, **options: Any) -> dict[str, Any]:
    from pipeline.columns.flow.networks.weights import checkpoint_provenance

    return checkpoint_provenance(model, **options)


FAMILIES = {
    "dis": Family(options=("preset",), models=False, create=_create_dis, provenance=_dis_provenance),
    "ptlflow": Family(
        options=("checkpoint", "checkpoint_dir"), models=True, create=_create_ptlflow, provenance=_ptlflow_provenance
    ),
}


def family_of(name: str) -> tuple[Family, str]:
    """The family and the model that an estimator's name means; raises `ValueError` saying which names there are."""
    kind, colon, model = name.partition(":")
    family = FAMILIES.get(kind)
    if family is None or family.models != bool(model) or (colon and not model):
        raise ValueError(f"there is no estimator {name!r}: it is 'dis', or 'ptlflow:' and the name of a ptlflow model")
    return family, model


@lru_cache(maxsize=4)
def create_estimator(name: str, **options: Any) -> Estimator:
    """An estimator by name, `dis` or `ptlflow:NAME`; the same name and options give the same one.

    Args:
        options: `preset` of `dis`; `checkpoint` and `checkpoint_dir` of ptlflow models.

    Raises:
        UserError: there is no such estimator, or its weights are missing.
    """
    try:
        family, model = family_of(name)
    except ValueError as error:
        raise UserError(str(error)) from None
    return family.create(model, **options)
