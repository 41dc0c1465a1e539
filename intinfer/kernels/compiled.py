"""`compiled`: the decorator of every function that Numba compiles. Its machine code is kept for the next process."""

from __future__ import annotations

import hashlib
import os
import pickle
import platform
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import llvmlite  # type: ignore[import-untyped]
import numba
import numpy as np
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

import intinfer

from . import store


def compiled(variant: str = "", **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function at its first call with arguments of some types, without the GIL; `options` as for `njit`.

    A function that is made several times, around other constants or operations, has them in its name, or the `variant`
    that it is: two functions that were kept by different processes may have the same number, by which alone Numba would
    tell them apart where a third process links both.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        mark = variant
        if function.__closure__ and not variant:
            mark = hashlib.sha256(dumps(tuple(cell.cell_contents for cell in function.__closure__))).hexdigest()
        if mark:
            function.__name__ += f"_{mark}"
            function.__qualname__ += f"_{mark}"
        dispatcher = numba.njit(nogil=True, **options)(function)
        if _sources() is not None:
            # There is no public way to say where Numba keeps what it compiles.
            dispatcher._cache = _Kept(function)
        return dispatcher

    return decorate


class _Kept:
    """In the place of Numba's own cache, whose keys leave out what a function calls in other files."""

    cache_path = None

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def load_overload(self, signature: object, target: Any) -> Any:
        """The compiled function for arguments of these types, if it was kept."""
        target.refresh()
        code = store.read(self._key(signature, target.codegen()))
        return None if code is None else CompileResult._rebuild(target, *pickle.loads(code))

    def save_overload(self, signature: object, result: Any) -> None:
        if not result.lifted and not result.library.has_dynamic_globals:
            store.write(self._key(signature, result.codegen), dumps(result._reduce()))

    def enable(self) -> None:
        pass

    def disable(self) -> None:
        pass

    def flush(self) -> None:
        pass

    def _key(self, signature: object, codegen: Any) -> str:
        """Of all that decides the machine code: sources, types, machine, versions."""
        function = self._function
        parts = (function.__module__, function.__qualname__, str(signature), codegen.magic_tuple(), _sources())
        return hashlib.sha256(repr(parts).encode()).hexdigest()


@lru_cache(maxsize=1)
def _sources() -> str | None:
    """Hash of every kernel's source, of the versions of what compiles them, and of what Numba is told by the
    environment; None where there are no sources to tell kernels of one state from those of another."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    if Path(__file__) not in files:
        return None
    state = hashlib.sha256()
    for file in files:
        state.update(hashlib.sha256(file.read_bytes()).digest())
    versions = [package.__version__ for package in (intinfer, numba, llvmlite, np)]
    told = sorted((name, value) for name, value in os.environ.items() if name.startswith("NUMBA_"))
    state.update(repr((versions, platform.python_version(), told)).encode())
    return state.hexdigest()
