"""A local web page: what the pipeline made, what trainings are doing, and what was trained, to look at and to try."""
