"""How far from a named point of one image its match in another is.

Thewlis, "Objects from Motion" (DPhil thesis, Oxford), chapter 7, section 4.1, "Matching results".
"""
