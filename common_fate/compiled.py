"""Functions compiled by numba, which are kept on disk where there is room for them."""

from collections.abc import Callable
from typing import Any

import numba

Function = Callable[..., Any]


def njit(**options: Any) -> Callable[[Function], Any]:
    """Returns `numba.njit` with these options.

    Where nothing can be written (neither beside the source, nor in the user's cache, nor in NUMBA_CACHE_DIR), `cache`
    is left out: each process then compiles anew, where numba's own would end in a traceback.
    """

    def decorate(function: Function) -> Any:
        try:
            return numba.njit(**options)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            return numba.njit(**options | {"cache": False})(function)

    return decorate
