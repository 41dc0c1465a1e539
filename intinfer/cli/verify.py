"""`intinfer verify DIR DUMP...`"""

from __future__ import annotations

import argparse
import os
import secrets
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from ..text import printable
from .common import add_json, describe, print_json

if TYPE_CHECKING:
    from intinfer_golden.compare import Comparison, Verification


def configure(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Compare a simulator's dumps with golden vectors, value by value. A dump is named like the node's file in\n"
        "DIR/values: .mem .memh .hex ($writememh text), .csv .txt (one decimal value a line) or .npy, with all images\n"
        "in the order of the vectors. Exits with 0 when all are equal, 1 when one differs, 2 when something cannot\n"
        "be read.",
        "intinfer verify vectors sim/conv1.mem sim/conv1.act.mem",
        "intinfer verify vectors out.hex --node fc --junit report.xml",
    )
    parser.add_argument("directory", metavar="DIR", help="folder that intinfer golden made")
    parser.add_argument("dumps", metavar="DUMP", nargs="+", help="file that the simulator wrote")
    parser.add_argument("--node", metavar="X", help="node of the only dump, whatever its name")
    parser.add_argument("--full", action="store_true", help="compare channels that an image does not demand as well")
    parser.add_argument("--junit", metavar="FILE", help="write the outcome as JUnit XML as well")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from intinfer_golden.compare import describe as lines
    from intinfer_golden.compare import verify
    from intinfer_golden.junit import junit_xml

    verification = verify(arguments.directory, arguments.dumps, node=arguments.node, full=arguments.full)
    if arguments.junit is not None:
        _write(Path(arguments.junit), junit_xml(verification))
    if arguments.json:
        print_json(_document(verification, arguments.full))
    else:
        for comparison in verification.comparisons:
            print("\n".join(lines(comparison)))
        print(_summary(verification))
    return 0 if verification.equal else 1


def _document(verification: Verification, full: bool) -> dict[str, Any]:
    first = verification.first
    return {
        "equal": verification.equal,
        "full": full,
        "first_different": None if first is None else first.node,
        "dumps": [_entry(comparison) for comparison in verification.comparisons],
        "without_dump": list(verification.without_dump),
    }


def _entry(comparison: Comparison) -> dict[str, Any]:
    errors = [{"error": error, "count": count} for error, count in comparison.errors.items()]
    return {**asdict(comparison), "equal": comparison.equal, "errors": errors}


def _summary(verification: Verification) -> str:
    count = len(verification.comparisons)
    same = sum(comparison.equal for comparison in verification.comparisons)
    missing = len(verification.without_dump)
    text = f"{same} of {count} dumps equal" + (f"; {missing} nodes without a dump" if missing else "")
    first = verification.first
    return text if first is None else printable(f"{text}; the first node that differs is {first.node}")


def _write(path: Path, data: bytes) -> None:
    """The whole file or nothing."""
    if path.is_dir():
        raise DataError(f"{path}: is a folder; give a file name")
    part = path.with_name(f".intinfer-{secrets.token_hex(8)}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
