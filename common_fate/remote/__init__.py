"""Shards on other machines: addresses, transport, resumable downloads, a cache, and a view's folder anywhere."""
