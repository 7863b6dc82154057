"""One room a column: the stages' functions."""
