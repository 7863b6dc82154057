"""Passing shards on: a folder for other labs (`share`), and theirs as a dataset here (`adopt`)."""
