"""How well named landmarks are told from what a network found without labels, with few labels and with all.

Thewlis, "Objects from Motion" (DPhil thesis, Oxford), chapters 4, 5 and 7.
"""
