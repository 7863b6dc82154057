"""Object frames: an embedding of pixels that is the same for the same point of an object, from motion or warps.

Thewlis, "Objects from Motion", chapters 5 to 7.
"""
