"""What evaluations on images with boxes, or with masks of single objects, share: their data, training and pictures."""
