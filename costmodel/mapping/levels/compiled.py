"""Compilation of the search's loops where Numba is installed; without it the same functions run interpreted."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Function = TypeVar("Function", bound=Callable[..., Any])


def compiler(**options: bool) -> Callable[[Function], Function]:
    """Numba's, with its cache on disk; the identity where Numba is not installed."""
    try:
        from numba import njit
    except ImportError:
        return lambda function: function
    return cast("Callable[[Function], Function]", njit(cache=True, error_model="numpy", nogil=True, **options))


compiled = compiler()
lean = compiler(_nrt=False)
"""For what neither makes arrays nor returns any: without counting of references, which took a quarter of the search."""
