"""How many pixels of one frame are matched rightly with another."""
