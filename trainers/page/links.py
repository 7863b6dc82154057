"""Links: nothing outside a folder is read or written, wherever links in it lead."""

from pathlib import Path


def stays_inside(path: Path, root: Path) -> bool:
    """Returns whether a path leads to a place under `root`, whose own links are resolved; not, where it leads nowhere
    in a circle.
    """
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # a circle is a RuntimeError up to Python 3.12
        return False
