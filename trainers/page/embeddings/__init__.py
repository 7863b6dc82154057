"""Embeddings on the page: a pixel is chosen, and what the network sees as similar lights up in all pictures."""
