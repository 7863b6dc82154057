"""What people and machines read of an experiment: curves, tables, `metrics.json`, and the comparison of a grid."""

from trainers.report.comparison import compare
from trainers.report.curves import curves
from trainers.report.summary import summarise

__all__ = ["compare", "curves", "summarise"]
