"""The command line of the pipeline, one module a subject."""
