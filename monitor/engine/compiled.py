"""How kernels are compiled: once per machine, kept in numba's cache, without bounds checks.

A kernel is a function over arrays that numba compiles on first use. ``AML_KERNEL_CHECKS=1`` compiles
them with bounds checks into a cache of their own; the test suite has a job for it.
"""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])
_CHECKED = os.environ.get("AML_KERNEL_CHECKS") == "1"


def kernel(function: F) -> F:
    """Compile ``function`` without the interpreter; overflow wraps, bounds are the caller's promise."""
    compiled: F = numba.njit(cache=not _CHECKED, boundscheck=_CHECKED, nogil=True)(function)
    return compiled


def inlined(function: F) -> F:
    """Like :func:`kernel`, for small functions that kernels call."""
    compiled: F = numba.njit(cache=not _CHECKED, boundscheck=_CHECKED, nogil=True, inline="never")(function)
    return compiled
