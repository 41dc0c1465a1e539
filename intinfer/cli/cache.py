"""`intinfer cache`"""

from __future__ import annotations

import argparse

from .common import add_json, describe, print_json


def configure(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Say where the kernels of the fast engine lie once they are compiled, how many there are, and their bytes.\n"
        "INTINFER_CACHE_DIR names another folder; where it is empty, each process compiles its own.",
        "intinfer cache",
        "intinfer cache --clear",
    )
    parser.add_argument("--clear", action="store_true", help="remove them all")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ..kernels import store

    path, (kernels, size) = store.path(), store.size()
    if arguments.clear:
        store.clear()
    if arguments.json:
        print_json({"directory": None if path is None else str(path), "kernels": kernels, "bytes": size})
    elif path is None:
        print("there is none: INTINFER_CACHE_DIR is empty")
    else:
        print(f"{path}: {kernels} kernels, {size:,} bytes{', removed' if arguments.clear else ''}")
    return 0
