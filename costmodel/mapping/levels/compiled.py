"""Compilation of the search's loops where Numba is installed; without it the same functions run interpreted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = TypeVar("Function", bound=Callable[..., Any])


def compiler(**options: Any) -> Callable[[Function], Function]:  # noqa: ANN401  # Numba's
    """Numba's, with its cache on disk; the identity where Numba is not installed."""
    try:
        from numba import njit
    except ImportError:
        return lambda function: function
    return cast("Callable[[Function], Function]", njit(cache=True, error_model="numpy", nogil=True, **options))


compiled = compiler()
lean = compiler(_nrt=False)
"""For what neither makes arrays nor returns any: without counting references, which costs inner loops more than their work."""
