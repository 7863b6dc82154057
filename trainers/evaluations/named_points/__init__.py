"""What evaluations of named points share: the samples that have some, vectors of pixels, and pictures of both."""
