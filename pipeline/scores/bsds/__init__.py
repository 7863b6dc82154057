"""BSDS500's own metrics of contours and regions.

Arbelaez, Maire, Fowlkes and Malik, "Contour Detection and Hierarchical Image Segmentation", TPAMI 2011, section 3.
"""

from pipeline.scores.bsds.contours import ContourCounts, ContourScores, contour_counts, contour_scores
from pipeline.scores.bsds.evaluate import Scores, evaluate, held, table, write_scores
from pipeline.scores.bsds.regions import RegionCounts, RegionScores, region_counts, region_scores
from pipeline.scores.bsds.results import ContourMap, Hierarchy, Segmentations, read_result
from pipeline.scores.bsds.truth import Human, read_truth

__all__ = [
    "ContourCounts",
    "ContourMap",
    "ContourScores",
    "Hierarchy",
    "Human",
    "RegionCounts",
    "RegionScores",
    "Scores",
    "Segmentations",
    "contour_counts",
    "contour_scores",
    "evaluate",
    "held",
    "read_result",
    "read_truth",
    "region_counts",
    "region_scores",
    "table",
    "write_scores",
]
