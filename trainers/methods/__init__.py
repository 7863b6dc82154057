"""One room a method."""
