"""The small view that tests of readers share."""

from tests.support.small_view import foreign_tar, pristine_view, view

__all__ = ["foreign_tar", "pristine_view", "view"]
