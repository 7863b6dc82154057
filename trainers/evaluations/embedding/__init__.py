"""What the features of an image look like: the directions in which they vary most, as colours."""
