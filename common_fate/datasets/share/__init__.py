"""Folders of shards that another lab can use as they are."""
