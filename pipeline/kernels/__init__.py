"""Numeric kernels: arrays in, arrays out, no files and no configuration."""

from pipeline.kernels.motion import distance_to_edges, grid_points, motion_edges, window_maxima

__all__ = ["distance_to_edges", "grid_points", "motion_edges", "window_maxima"]
