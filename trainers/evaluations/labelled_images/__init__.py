"""Images with the classes of what they show, which several evaluations learn from and measure on."""
