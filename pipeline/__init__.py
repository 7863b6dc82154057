"""Offline data preparation: raw video to verified, ready-to-train shards."""
