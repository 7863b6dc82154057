"""Reasons of failures as they are counted: many that differ in their numbers alone are one."""

import re
from collections.abc import Iterable

MANY = 8
"""So many reasons stay apart, as do the few answers that a server gives."""

_NUMBER = re.compile(r"(\d+)")


def counted_as(reasons: Iterable[str]) -> dict[str, str]:
    """Returns what each reason is counted as: itself or, of more than `MANY` that differ in numbers alone, what they
    have in common, with `…` for each number that differs.
    """
    alike: dict[str, dict[str, list[str]]] = {}
    for reason in dict.fromkeys(reasons):
        alike.setdefault(_NUMBER.sub("0", reason), {})[reason] = _NUMBER.split(reason)
    told: dict[str, str] = {}
    for group in alike.values():
        common = "".join(parts[0] if len(set(parts)) == 1 else "…" for parts in zip(*group.values(), strict=True))
        told |= {reason: common if len(group) > MANY else reason for reason in group}
    return told
