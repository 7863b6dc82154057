"""What the registry knows of learning landmarks. Nothing here imports torch: Snakemake reads it, too.

Thewlis et al., "Unsupervised learning of object landmarks by factorized spatial embeddings", ICCV 2017.
"""

from trainers.declarations import Method
from trainers.methods.landmarks.options import VERSION, LandmarksOptions
from trainers.methods.landmarks.recipes import RECIPES

METHOD = Method(
    name="landmarks",
    options=LandmarksOptions,
    version=VERSION,
    view="objects",
    task="trainers.methods.landmarks.task:Landmarks",
    recipes=RECIPES,
)
