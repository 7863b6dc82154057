"""Optical flow: estimators, the stage that runs them, occlusion, and error against the truth."""

from pipeline.columns.flow.estimator import Estimator
from pipeline.columns.flow.estimator_families import create_estimator
from pipeline.columns.flow.stage import STAGE, FlowOptions

__all__ = ["STAGE", "Estimator", "FlowOptions", "create_estimator"]
