"""`intinfer cache`"""

from __future__ import annotations

import argparse

from .common import answer, describe


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `intinfer cache`."""
    describe(
        parser,
        "Say where the kernels of the fast engine lie once they are compiled, how many there are, and their bytes.\n"
        "INTINFER_CACHE_DIR names another folder; where it is empty, each process compiles its own.",
        "intinfer cache",
        "intinfer cache --clear",
    )
    parser.add_argument("--clear", action="store_true", help="remove them all")


def run(arguments: argparse.Namespace) -> int:
    """Say where compiled kernels lie, how many and how large they are, and remove them if that is asked."""
    from ..kernels import store

    path, (kernels, size) = store.path(), store.size()
    if arguments.clear:
        store.clear()
    document = {"directory": None if path is None else str(path), "kernels": kernels, "bytes": size}
    if path is None:
        return answer(arguments, document, "there is none: INTINFER_CACHE_DIR is empty")
    return answer(arguments, document, f"{path}: {kernels} kernels, {size:,} bytes{', removed' * arguments.clear}")
