"""Which names fall into a share of all names: how videos are held out, on disk and in a training run alike."""

import hashlib


def in_share(share: float, name: str) -> bool:
    """Returns whether a name falls into a share, in [0, 1], of all names.

    It follows from the name's hash alone: names that are added move no other, and a larger share holds a smaller one.
    """
    # Compared as an integer: the largest of them over 2**64 would round to 1, and fall out of the whole.
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) < share * 2**64
