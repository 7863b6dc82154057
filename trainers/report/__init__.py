"""What people and machines read of experiments, from generic rows: pages, curves, `metrics.json`, comparisons."""
