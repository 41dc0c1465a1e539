"""What the processor can do that Numba compiles for: an instruction that it lacks would end the process."""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

from numba.core.registry import cpu_target


class Products(IntEnum):
    """How products of bytes and of 16-bit words are added up, fastest last. All are exact, and give the same sums."""

    PORTABLE = 0
    """Multiplications and additions that LLVM turns into what there is."""
    SSE2 = 1
    """Pairs of products of words, 128 bits at a time (PMADDWD)."""
    AVX2 = 2
    """Pairs of products of words, 256 bits at a time (VPMADDWD)."""
    VNNI = 3
    """Four products of bytes or two of words to a 32-bit lane, 512 bits at a time (VPDPBUSD, VPDPWSSD)."""


@lru_cache(maxsize=1)
def products() -> Products:
    """The fastest way of the processor that this process compiles for: the host, or what `NUMBA_CPU_FEATURES` says."""
    triple, _, features = cpu_target.target_context.codegen().magic_tuple()
    present = {name.removeprefix("+") for name in features.split(",") if name.startswith("+")}
    if not triple.startswith("x86_64"):
        return Products.PORTABLE
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni"} <= present:
        return Products.VNNI
    return Products.AVX2 if "avx2" in present else Products.SSE2
