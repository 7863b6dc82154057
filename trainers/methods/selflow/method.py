"""What the registry knows of self-supervised optical flow. Nothing here imports torch: Snakemake reads it, too.

Liu et al., "SelFlow: Self-Supervised Learning of Optical Flow", CVPR 2019.
"""

from trainers.declarations import Method
from trainers.methods.selflow.options import VERSION, SelFlowOptions
from trainers.methods.selflow.recipes import GRIDS, RECIPES


def _view(options: SelFlowOptions) -> str:
    return "flow" if options.loss.kind == "supervised" else "selflow"


def _check_teacher(options: SelFlowOptions, teacher: SelFlowOptions) -> None:
    """Raises ValueError where the teacher cannot read the student's frames; its network may well be another."""
    stride = teacher.network.stride
    if options.transforms.crop % stride:
        raise ValueError(
            f"its network, {teacher.network.name}, reads frames whose sides are multiples of {stride}: "
            f"transforms.crop is {options.transforms.crop}, and should be one"
        )


METHOD = Method(
    name="selflow",
    options=SelFlowOptions,
    version=VERSION,
    view=_view,
    task="trainers.methods.selflow.task:SelFlow",
    flow_network=lambda options: options.network.created,
    teachers=("selflow",),
    taught=lambda options: options.loss.kind == "occ",
    teachable=_check_teacher,
    recipes=RECIPES,
    grids=GRIDS,
)
