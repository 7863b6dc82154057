"""One room an evaluation of what was trained."""
