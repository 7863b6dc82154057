"""Verification: whether a dataset, a column or a view is whole, and what to do about it where it is not."""

from common_fate.datasets.verify.dataset import verify
from common_fate.datasets.verify.problems import Problem

__all__ = ["Problem", "verify"]
