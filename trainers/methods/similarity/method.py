"""What the registry knows of cross-pixel flow similarity. Nothing here imports torch: Snakemake reads it, too.

Mahendran, Thewlis and Vedaldi, "Cross Pixel Optical-Flow Similarity for Self-Supervised Learning", ACCV 2018.
"""

from trainers.declarations import Method
from trainers.methods.similarity.options import VERSION, SimilarityOptions
from trainers.methods.similarity.recipes import GRIDS, RECIPES

METHOD = Method(
    name="similarity",
    options=SimilarityOptions,
    version=VERSION,
    view=lambda options: options.view,
    task="trainers.methods.similarity.task:Similarity",
    encoder=lambda options: options.model.encoder,
    embeds=True,
    best_by="loss",
    evaluations=("kernels", "embedding"),
    recipes=RECIPES,
    grids=GRIDS,
)
