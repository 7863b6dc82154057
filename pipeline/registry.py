"""The stages and views there are, by name. Adding one means writing its module and a line here, after what it reads.

Rules, targets, commands, `estimate`, `retry-failed`, `gc` and the benchmark of stages follow from these tables.
"""

from collections.abc import Iterable

from pipeline.columns import flow, guidance, landmarks, masks, superpixels, truth
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
    landmarks.STAGE,
)
_NAMED_POINTS = {"landmarks": ("points.npy", "json")}
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
    View(
        name="flow",
        version=1,
        anchor="frames",
        columns={"frames": ("jpg", "json"), "truth": ("flow.b2", "valid.png")},
        optional={"truth": ("occlusion.png",)},
        prefixes={"truth": "truth"},
        follow=("previous", "next"),
        own=("truth",),
    ),
    View(
        name="motion",
        version=1,
        anchor="flow",
        columns={"frames": ("jpg", "json"), "flow": ("flow.b2", "json")},
    ),
    # Objects as images, or as pairs of frames with the motion between them, exact or estimated.
    View(
        name="objects",
        version=1,
        anchor="frames",
        columns={"frames": ("jpg", "json"), "landmarks": ()},
        optional=_NAMED_POINTS,
    ),
    View(
        name="objects_truth",
        version=1,
        anchor="frames",
        columns={"frames": ("jpg", "json"), "truth": ("flow.b2", "valid.png"), "landmarks": ()},
        optional=_NAMED_POINTS | {"truth": ("occlusion.png",)},
        prefixes={"truth": "truth"},
        follow=("next",),
        own=("truth",),
    ),
    View(
        name="objects_flow",
        version=1,
        anchor="frames",
        columns={"frames": ("jpg", "json"), "flow": ("flow.b2", "json"), "landmarks": ()},
        optional=_NAMED_POINTS,
        follow=("next",),
        own=("flow",),
    ),
)
STAGES: dict[str, Stage] = {stage.name: stage for stage in _STAGES}
VIEWS: dict[str, View] = {view.name: view for view in _VIEWS}


def columns_of(views: Iterable[str], more: Iterable[str] = ()) -> list[str]:
    """Returns the columns of a dataset with these views: frames, what they join, more, and what that is made from."""
    wanted = {"frames", *more, *(column for view in views for column in VIEWS[view].columns)}
    for name in reversed(STAGES):  # a stage stands after those that it reads
        if name in wanted:
            wanted.update(STAGES[name].reads)
    return [name for name in STAGES if name in wanted]
