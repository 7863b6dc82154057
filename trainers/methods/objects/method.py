"""What the registry knows of object frames. Nothing here imports torch: Snakemake reads it, too.

Thewlis, "Objects from Motion", chapters 5 to 7.
"""

from trainers.declarations import Method
from trainers.methods.objects.options import VERSION, VIEWS, ObjectsOptions, check_source
from trainers.methods.objects.recipes import GRIDS, RECIPES

METHOD = Method(
    name="objects",
    options=ObjectsOptions,
    version=VERSION,
    view=lambda options: VIEWS[options.pairs],
    task="trainers.methods.objects.task:Objects",
    embeds=True,
    trainable=check_source,
    evaluations=("embedding",),
    recipes=RECIPES,
    grids=GRIDS,
)
