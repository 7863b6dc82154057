"""Benchmarks without learning: flow error, BSDS500."""
