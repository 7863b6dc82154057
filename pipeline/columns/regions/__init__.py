"""Region trees: from contours to an ultrametric hierarchy of regions."""
