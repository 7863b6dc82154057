"""The stages and views there are, by name. Adding one means writing its module and a line here.

Rules, targets, commands, `estimate`, `retry-failed`, `gc` and the benchmark of stages follow from these tables.
"""

from pipeline.columns import flow, guidance, masks, superpixels, truth
from pipeline.columns.frames import stage as frames
from pipeline.columns.regions import stage as regions
from pipeline.stages.stage import Stage
from pipeline.views import View

_STAGES = (
    frames.STAGE,
    flow.STAGE,
    guidance.STAGE,
    regions.STAGE,
    superpixels.STAGE,
    truth.STAGE,
    masks.STAGE,
)
_VIEWS = (
    View(
        name="cmp",
        version=1,
        anchor="flow",
        columns={"frames": ("jpg", "json"), "flow": ("flow.b2", "json"), "guidance": ("guidance.npy",)},
    ),
    View(
        name="grouping",
        version=1,
        anchor="frames",
        columns={"frames": ("jpg", "json"), "regions": ("regions.png", "tree.npy")},
    ),
    View(
        name="selflow",
        version=1,
        anchor="frames",
        columns={"frames": ("jpg", "json"), "superpixels": ("superpixels.png",)},
        follow=("previous", "next"),
    ),
)
STAGES: dict[str, Stage] = {stage.name: stage for stage in _STAGES}
VIEWS: dict[str, View] = {view.name: view for view in _VIEWS}
