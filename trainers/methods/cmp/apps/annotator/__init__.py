"""Annotation on the page: clicks and a brush to masks of the images of a folder, saved as they are made."""
