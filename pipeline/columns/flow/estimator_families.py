"""Which estimators there are, and how one is made from its name."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from common_fate.errors import UserError
from common_fate.shards.limits import quoted
from pipeline.columns.flow.estimator import Estimator

DIS_PRESETS = ("ultrafast", "fast", "medium")
NAMES = "'dis', 'matching', 'network', 'ptlflow:' and a model of ptlflow's, or 'network:' and a model.safetensors"
SHIPPED = Path(__file__).parent / "networks" / "models" / "flow.safetensors"
"""The weights of `network` without a path; `python -m trainers ship-flow` writes them, and their record beside them."""
MAX_SHIPPED_BYTES = 10_000_000
REFINEMENT = {"network": 3, "matching": 3}
"""Steps of refinement of the families that have some unless told otherwise; the others have none."""
MOST_STEPS = 100
SCALES = {"small": 3}
"""Of the networks that estimate from coarse to fine unless told otherwise; the others see frames as they are alone."""
MOST_SCALES = 5


@dataclass(frozen=True)
class Family:
    """Estimators that are made alike, named `family` or `family:model`.

    All take `(model, **options)`, with those of `FlowOptions` that `options` names. What plans calls only `frames` and
    `weights`, which import no torch.

    Args:
        options: the fields of `FlowOptions` that the others take as keywords.
        models: whether a model has to be named.
        network: whether it is one, which a GPU makes faster.
        create: to the estimator; may take long.
        provenance: to what of software and weights shapes the flow, for the record.
        check: raises `UserError` where the estimator could not be made.
        frames: how many frames it reads, 2 or 3.
        weights: files of weights of which the name alone does not say what is in them.
    """

    options: tuple[str, ...]
    models: bool
    network: bool
    create: Callable[..., Estimator]
    provenance: Callable[..., dict[str, Any]]
    check: Callable[..., None]
    frames: Callable[..., int]
    weights: Callable[..., tuple[Path, ...]]


def _two_frames(model: str, **options: Any) -> int:
    return 2


# Imports wait until an estimator is made: a DIS job never loads torch, and a plan loads neither.


def _create_dis(model: str, **options: Any) -> Estimator:
    from pipeline.columns.flow.dis import dis

    return dis(**options)


def _dis_provenance(model: str, **options: Any) -> dict[str, Any]:
    from pipeline.columns.flow.dis import dis_provenance

    return dis_provenance()


DIS = Family(
    options=("preset",),
    models=False,
    network=False,
    create=_create_dis,
    provenance=_dis_provenance,
    check=lambda model, **options: None,
    frames=_two_frames,
    weights=lambda model, **options: (),
)


def _create_matching(model: str, **options: Any) -> Estimator:
    from pipeline.columns.flow.networks.inference import estimator_of
    from pipeline.columns.flow.networks.matching.deep_matching import create

    return estimator_of(create({}), "deep matching")


def _matching_provenance(model: str, **options: Any) -> dict[str, Any]:
    return {"opencv": version("opencv-contrib-python-headless"), "torch": version("torch")}


MATCHING = Family(
    options=(),
    models=False,
    network=False,
    create=_create_matching,
    provenance=_matching_provenance,
    check=lambda model, **options: None,
    frames=_two_frames,
    weights=lambda model, **options: (),
)


def _create_ptlflow(model: str, **options: Any) -> Estimator:
    from pipeline.columns.flow.networks.ptlflow_models import ptlflow_estimator

    return ptlflow_estimator(model, **options)


def _ptlflow_provenance(model: str, **options: Any) -> dict[str, Any]:
    from pipeline.columns.flow.networks.weights import checkpoint_provenance

    return checkpoint_provenance(model, **options)


def _check_ptlflow(model: str, **options: Any) -> None:
    from pipeline.columns.flow.networks.weights import checkpoint_path, model_class

    model_class(model)
    checkpoint_path(model, **options)


def _ptlflow_weights(model: str, checkpoint: str | None, checkpoint_dir: str) -> tuple[Path, ...]:
    """A file of the user's. A published one has its digest in its name, and is compared with that when it is read."""
    return (Path(checkpoint),) if checkpoint and Path(checkpoint).is_file() else ()


PTLFLOW = Family(
    options=("checkpoint", "checkpoint_dir"),
    models=True,
    network=True,
    create=_create_ptlflow,
    provenance=_ptlflow_provenance,
    check=_check_ptlflow,
    frames=_two_frames,
    weights=_ptlflow_weights,
)


def _create_trained(model: str) -> Estimator:
    from pipeline.columns.flow.networks.trained import trained_estimator

    return trained_estimator(Path(model))


def _trained_provenance(model: str) -> dict[str, Any]:
    from pipeline.columns.flow.networks.trained_file import trained_provenance

    return trained_provenance(Path(model))


def _check_trained(model: str) -> None:
    from pipeline.columns.flow.networks.trained import trained_estimator

    trained_estimator(Path(model))


def _trained_frames(model: str) -> int:
    """Of a file that an experiment is still to make: 2, until it is there."""
    from pipeline.columns.flow.networks.trained_file import read_about

    return read_about(Path(model)).frames if Path(model).exists() else 2


TRAINED = Family(
    options=(),
    models=True,
    network=True,
    create=_create_trained,
    provenance=_trained_provenance,
    check=_check_trained,
    frames=_trained_frames,
    weights=lambda model: (Path(model),),
)

FAMILIES = {"dis": DIS, "matching": MATCHING, "ptlflow": PTLFLOW, "network": TRAINED}
_OF_EXPERIMENT = "network:experiments."


def at_its_path(name: str, results: Path) -> str:
    """Returns an estimator's name with `network:experiments.NAME` as the path of the network that it trains."""
    if not name.startswith(_OF_EXPERIMENT):
        return name
    return f"network:{results / 'experiments' / name.removeprefix(_OF_EXPERIMENT) / 'model.safetensors'}"


def family_of(name: str) -> tuple[Family, str]:
    """Returns the family and the model that an estimator's name means.

    Raises:
        ValueError: there is none of that name; or of `network`, its weights are not here.
    """
    if name == "network":
        if not SHIPPED.is_file():
            raise ValueError(
                "the estimator 'network' takes the weights that come with this project, and none are in this copy: "
                "use 'dis', or 'network:experiments.NAME'"
            )
        return TRAINED, str(SHIPPED)
    kind, colon, model = name.partition(":")
    family = FAMILIES.get(kind)
    if family is None or family.models != bool(model) or (colon and not model):
        meant = f" (did you mean ptlflow:{name}?)" if re.fullmatch(r"\w+", name) and kind not in FAMILIES else ""
        raise ValueError(f"there is no estimator {quoted(name)}: it is {NAMES}{meant}")
    return family, model


def _known(name: str) -> tuple[Family, str]:
    try:
        return family_of(name)
    except ValueError as error:
        raise UserError(str(error)) from None


def refinement_of(name: str, steps: int | None) -> int:
    """Returns how many steps of refinement follow an estimator: those that are asked for, or its own number."""
    return REFINEMENT.get(name.partition(":")[0], 0) if steps is None else steps


def scales_of(name: str, scales: int | None) -> int:
    """Returns at how many scales an estimator runs: as many as are asked for, or its network's own number.

    Raises:
        UserError: there is no such estimator, or the file of its network cannot be read.
    """
    if scales is not None:
        return scales
    family, model = _known(name)
    if family is not TRAINED:
        return 1
    from pipeline.columns.flow.networks.trained_file import read_about

    return SCALES.get(read_about(Path(model)).name, 1)


def finished(estimate: Estimator, scales: int, refinement: int) -> Estimator:
    """Returns an estimator that runs at so many scales, and whose flow is refined in so many steps."""
    if scales > 1:
        from pipeline.columns.flow.scales import over_scales

        estimate = over_scales(estimate, scales)
    if refinement:
        from pipeline.columns.flow.refinement import refined

        estimate = refined(estimate, refinement)
    return estimate


@lru_cache(maxsize=4)
def create_estimator(name: str, refinement: int | None = None, scales: int | None = None, **options: Any) -> Estimator:
    """Returns an estimator by name; the same name and options give the same one.

    Args:
        name: `dis`, `matching`, `network`, `ptlflow:NAME`, or `network:PATH`.
        refinement: steps of it; None for the estimator's own number.
        scales: how many it runs at; None for its own number.
        options: `preset` of `dis`; `checkpoint` and `checkpoint_dir` of ptlflow models.

    Raises:
        UserError: there is no such estimator, its weights are missing or not its own, or it reads three frames and is
            to run at several scales.
    """
    family, model = _known(name)
    check_scales(name, scales, family.frames(model, **options))
    estimate = family.create(model, **options)
    return finished(estimate, scales_of(name, scales), refinement_of(name, refinement))


def check_scales(name: str, scales: int | None, frames: int) -> None:
    """Raises `UserError` where an estimator of so many frames cannot run at so many scales."""
    if frames > 2 and (scales or 1) > 1:
        raise UserError(f"{name} reads three frames, and several scales are for two: leave scales out")


def check_estimator(name: str, **options: Any) -> None:
    """Checks that there is an estimator of that name, and that its weights are there.

    Args:
        options: as `create_estimator` takes them; those of other families are left out.

    Raises:
        UserError: says what is wrong and what to do.
    """
    family, model = _known(name)
    family.check(model, **{option: value for option, value in options.items() if option in family.options})
