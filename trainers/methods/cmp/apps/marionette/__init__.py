"""The part of the page on which images are pulled at: what is asked, what it leads to, and videos of it."""
