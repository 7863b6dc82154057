"""The stages' functions, one module or package a column."""
