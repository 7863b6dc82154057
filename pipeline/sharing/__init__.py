"""Adopting shards that another lab made."""
