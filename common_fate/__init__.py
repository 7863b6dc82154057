"""The format: what reads, checks, shows, fetches and exports finished shards."""

__version__ = "0.2.0"
