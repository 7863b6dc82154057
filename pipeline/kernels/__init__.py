"""Numeric kernels: arrays in, arrays out, no files and no configuration."""

from pipeline.kernels.flowcode import decode_flow, encode_flow
from pipeline.kernels.motion import distance_to_edges, grid_points, motion_edges, window_maxima

__all__ = ["decode_flow", "distance_to_edges", "encode_flow", "grid_points", "motion_edges", "window_maxima"]
