"""What the registry knows of learning from hierarchical grouping. Nothing here imports torch: Snakemake reads it, too.

Zhang and Maire, "Self-Supervised Visual Representation Learning from Hierarchical Grouping", NeurIPS 2020.
"""

from trainers.declarations import Method
from trainers.methods.grouping.options import VERSION, GroupingOptions
from trainers.methods.grouping.recipes import GRIDS, RECIPES

METHOD = Method(
    name="grouping",
    options=GroupingOptions,
    version=VERSION,
    view="grouping",
    task="trainers.methods.grouping.task:Grouping",
    encoder=lambda options: options.model.encoder,
    embeds=True,
    evaluations=("embedding",),
    recipes=RECIPES,
    grids=GRIDS,
    apps="trainers.methods.grouping.commands:app",
)
