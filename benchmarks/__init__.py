"""`make bench`: every speed claim, measured against a peer in one run."""
