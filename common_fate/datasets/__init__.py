"""Finished datasets and views: verify, stats, show, fetch, merge, split."""
