"""What several verbs share: arguments, JSON, notes, the constants a node stores."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from ..errors import RangeError
from ..graph import Graph
from ..inputs import Arrays
from ..model import ENGINES, Model
from ..ops import Op
from ..reports.text import elided, printable
from ..tensor import CellularWeights, IntTensor
from ..types import IntArray

MAX_NOTE = 2_000
"""Characters."""
FIT = "--fit"


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a model is run; see `engine_options`."""
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        help="fast compiles kernels first, which takes some seconds; reference is plain NumPy; the bits are the same "
        "(default: what is sooner done)",
    )
    parser.add_argument(
        "--no-skip",
        action="store_true",
        help="compute channels that no multiplexer selects as well; the bits are the same",
    )
    parser.add_argument("--threads", type=positive, default=1, metavar="N", help="of the fast engine (default: 1)")


def add_fit(parser: argparse.ArgumentParser, help: str) -> None:
    """The option that a refused image's message offers; a verb that has it says so with `FIT` as it loads images."""
    parser.add_argument(FIT, choices=("exact", "crop", "resize"), help=f"{help} (default: what the model says)")


def engine_options(arguments: argparse.Namespace, model: Model, images: int) -> dict[str, Any]:
    """The keyword arguments of `Model.run` that `add_engine`'s options stand for, for so many images in all."""
    return {
        "engine": arguments.engine or model.choose(images),
        "skip": not arguments.no_skip,
        "threads": arguments.threads,
    }


def outputs_of(model: Model, images: Arrays, options: Mapping[str, Any], what: str) -> dict[str, IntArray]:
    """Every output by its name, of one image or several, which `what` names when an accumulator traps.

    Raises RangeError.
    """
    try:
        result = model.run(images, **options)
    except RangeError as error:
        raise RangeError(f"{what}: {error}") from None
    return result if isinstance(result, dict) else {model.graph.outputs[0].name: result}


def describe(parser: argparse.ArgumentParser, description: str, *examples: str) -> None:
    """The text of `--help`."""
    parser.description = description
    parser.epilog = "\n  ".join(["example:" if len(examples) == 1 else "examples:", *examples])


def positive(text: str) -> int:
    """The type of an option that counts something."""
    return natural(text, 1)


def natural(text: str, least: int = 0) -> int:
    """The type of an option that counts from 0."""
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return int(text)


def real(text: str, most: float = 1e9, needed: str = "a number above 0") -> float:
    """The type of an option that is a number above 0, up to `most`; the message says `needed`."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {needed}")
    return number


def frame_ranges(text: str) -> list[tuple[int, int]]:
    """The type of `--frames`: first and last number of each range of N,N-N,..."""
    spans = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        numbers = [first, last if dash else first]
        if not all(number.isascii() and number.isdigit() and len(number) <= 9 for number in numbers):
            raise argparse.ArgumentTypeError(f"{text!r} is not N,N-N,... of whole numbers")
        spans.append((int(numbers[0]), int(numbers[1])))
        if spans[-1][0] > spans[-1][1]:
            raise argparse.ArgumentTypeError(f"{part!r} is empty: its first frame is after its last")
    return spans


def answer(arguments: argparse.Namespace, document: dict[str, Any], text: str, code: int = 0) -> int:
    """Print the answer of a verb on stdout, with --json the document, which holds no NaN and no infinity.

    Returns the exit code.
    """
    print(json.dumps(document, indent=2, allow_nan=False) if arguments.json else text)
    return code


def note(text: str) -> None:
    """Write one line on stderr, beside the results."""
    print(f"intinfer: {elided(printable(text), MAX_NOTE)}", file=sys.stderr)


def progress(items: Sequence[str]) -> Iterable[str]:
    """`items`, with a progress bar on stderr when there are several and somebody looks."""
    if len(items) == 1 or not sys.stderr.isatty():
        return items
    from tqdm import tqdm

    return tqdm(items, leave=False)


def constants(op: Op) -> list[tuple[str, IntTensor | CellularWeights]]:
    """The constant tensors among an op's attributes, by name."""
    pairs = ((field.name, getattr(op, field.name)) for field in fields(op))
    return [(name, value) for name, value in pairs if isinstance(value, IntTensor | CellularWeights)]


def constants_text(op: Op) -> str:
    """Write what is stored, such as "weight ternary 864 = 1,728 bits"."""
    texts = []
    for name, tensor in constants(op):
        if isinstance(tensor, CellularWeights):
            texts.append(f"{name} generated: rule {tensor.rule}, {len(tensor.seed)} cells, {tensor.rows} rows, 0 bits")
        else:
            texts.append(f"{name} {tensor.encoding} {tensor.values.size:,} = {tensor.stored_bits:,} bits")
    return "; ".join(texts)


def stored_bits(graph: Graph) -> dict[str, int]:
    """Bits stored by kind of constant: weight, thresholds, ..."""
    totals: dict[str, int] = {}
    for node in graph.nodes:
        for name, tensor in constants(node.op):
            totals[name] = totals.get(name, 0) + tensor.stored_bits
    return totals
