"""Flow estimators that are networks. The only part of the pipeline that imports torch."""
