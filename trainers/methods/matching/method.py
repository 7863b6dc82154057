"""What the registry knows of deep matching. Nothing here imports torch: Snakemake reads it, too.

Thewlis et al., "Fully-Trainable Deep Matching", BMVC 2016.
"""

from trainers.declarations import Method
from trainers.methods.matching.options import VERSION, VIEWS, MatchingOptions
from trainers.methods.matching.recipes import GRIDS, RECIPES

METHOD = Method(
    name="matching",
    options=MatchingOptions,
    version=VERSION,
    view=lambda options: VIEWS[options.pairs],
    task="trainers.methods.matching.task:Matching",
    encoder=lambda options: options.descriptor.encoder if options.descriptor.name == "encoder" else None,
    flow_network=lambda options: options.created,
    evaluations=("correspondence",),
    recipes=RECIPES,
    grids=GRIDS,
)
