"""What the registry knows of conditional motion propagation. Nothing here imports torch: Snakemake reads it, too.

Zhan et al., "Self-Supervised Learning via Conditional Motion Propagation", CVPR 2019.
"""

from trainers.declarations import Method
from trainers.methods.cmp.options import VERSION, CMPOptions
from trainers.methods.cmp.recipes import GRIDS, RECIPES

METHOD = Method(
    name="cmp",
    options=CMPOptions,
    version=VERSION,
    view="cmp",
    task="trainers.methods.cmp.task:CMP",
    encoder=lambda options: options.model.encoder,
    best_by="epe",
    evaluations=("propagation",),
    recipes=RECIPES,
    grids=GRIDS,
    apps="trainers.methods.cmp.apps.commands:app",
    tools=(
        "trainers.methods.cmp.apps.marionette.tool:TOOL",
        "trainers.methods.cmp.apps.annotator.tool:TOOL",
    ),
)
