"""Contour detectors: functions from an image to the strength of its contours."""
