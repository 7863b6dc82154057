"""Fully-trainable deep matching."""
