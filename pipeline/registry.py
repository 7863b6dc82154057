"""The stages and views there are, by name. Adding one means writing its function, a line here, and a rule."""

from pipeline.columns import flow, guidance, masks, superpixels, truth
from pipeline.columns.frames import stage as frames
from pipeline.columns.regions import stage as regions
from pipeline.stages.stage import Stage
from pipeline.views import CMP, GROUPING, SELFLOW, View

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        *(frames.STAGE, flow.STAGE, guidance.STAGE, regions.STAGE, superpixels.STAGE, truth.STAGE),
        masks.STAGE,
    )
}
VIEWS: dict[str, View] = {view.name: view for view in (CMP, GROUPING, SELFLOW)}
