"""What an address of a folder on another machine is. Nothing here imports what goes there: every command asks."""

import re

from common_fate.errors import UserError

PROTOCOLS = ("https", "http", "s3")


def is_address(place: str) -> bool:
    """Returns whether a place is on another machine: whatever has a protocol, and be it one that is refused later."""
    return "://" in place and not place.startswith("file:")


def checked_address(place: str) -> str:
    """Returns the address of a folder without its last slash.

    Raises:
        UserError: another protocol, or what an address of a folder cannot have.
    """
    address, protocol = place.rstrip("/"), place.partition("://")[0]
    if protocol not in PROTOCOLS:
        known = ", ".join(f"{name}://" for name in PROTOCOLS)
        raise UserError(f"{place}: cannot be read over {protocol}: should start with one of {known}")
    if re.search("[?#]", address):
        raise UserError(f"{place}: should be the address of a folder, without ? and #")
    if "@" in address.split("/")[2]:
        raise UserError(f"an address of {protocol}:// with a password in it: put it into ~/.netrc instead")
    return address
