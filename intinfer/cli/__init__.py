"""The command `intinfer`. One verb a file: `configure(parser)` adds its arguments but --json, which every verb has,
and `run(arguments)` gives the exit code. Only the module of the verb that is called is imported.

Exit codes: 0 done, 1 the answer is "no", 2 bad input or usage, 3 a bug of ours, 130 interrupted, 141 the reader of
stdout went away.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import intinfer

from ..errors import IntinferError, MalformedError
from ..reports.text import elided, printable
from . import streams

VERBS = {
    "convert": "turn a checkpoint into an integer model",
    "check": "compare a model with its source in the source's own float framework, node by node",
    "run": "logits and top classes of images",
    "eval": "accuracy over a labelled data set",
    "profile": "multiplexer rates, MACs executed against dense, values seen against proven",
    "inspect": "nodes, shapes, value ranges, accumulators and stored constants of a model",
    "cost": "MACs, BOPs, weight bits and activation memory of a model or a network",
    "golden": "golden vectors of images for an RTL test bench",
    "testbench": "write the test benches of a set of golden vectors for other ports, or with monitors",
    "verify": "compare a simulator's dumps with golden vectors",
    "mutants": "break a design in every way of a list: which wrong ones does its bench pass?",
    "explain": "one element of a node followed by hand: products, sums, thresholds",
    "train": "train a network with the papers' three-stage recipe",
    "cache": "where compiled kernels lie between processes, and how large they are",
    "zoo": "the networks with their arguments, weights and MACs",
}
EXTRA_MODULES = {
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "torch": "torch",
    "safetensors": "torch",
    "matplotlib": "plot",
    "hypothesis": "hypothesis",
    "pylibfst": "vcd",
}


NO_MEMORY = ("failed to map segment", "can't allocate memory", "Failed to allocate memory", "bad_alloc")
"""What the loader, torch and ONNX Runtime say instead of raising MemoryError."""


MAX_LINE = 2_000
"""Characters of an error."""


class UsageError(MalformedError):
    """A command line that makes no sense."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        verb = self.prog.removeprefix("intinfer").strip()
        raise UsageError(f"{verb}: {message}; see {self.prog} --help" if verb else f"{message}; see {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; results go to stdout, everything else to stderr."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    with streams.safe():
        return _main(arguments, called=argv is None)


def _main(arguments: list[str], called: bool) -> int:
    verb = _verb(arguments)
    try:
        if "" in arguments:  # as a path it would mean the current folder
            raise UsageError(f"{verb or 'intinfer'}: an argument is empty; is a shell variable in it not set?")
        code = _dispatch(arguments, verb, called)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return 141
    except KeyboardInterrupt:
        print("intinfer: interrupted", file=sys.stderr)
        return 130
    except IntinferError as error:
        return _fail(str(error))
    except MemoryError:
        return _no_memory(verb)
    except OSError as error:
        name, reason = error.filename, error.strerror or str(error)
        return _fail(f"{os.fsdecode(name)}: {reason}" if isinstance(name, str | bytes | os.PathLike) else reason)
    except ModuleNotFoundError as error:
        if error.name not in EXTRA_MODULES:
            return _bug()
        return _fail(f"{verb} needs {error.name}; install it with: pip install 'intinfer[{EXTRA_MODULES[error.name]}]'")
    except Exception as error:
        return _no_memory(verb) if any(text in str(error) for text in NO_MEMORY) else _bug()


def _verb(arguments: Sequence[str]) -> str | None:
    return next((argument for argument in arguments if argument and not argument.startswith("-")), None)


def _dispatch(arguments: Sequence[str], verb: str | None, called: bool) -> int:
    """Run the verb; `called` from a shell, not from Python: then a verb may start itself again in a child."""
    parser = _Parser(
        prog="intinfer",
        description="Integer-only, bit-accurate inference for ternary and binary CNNs.",
        epilog="example: intinfer run model.npz cat.png\nintinfer VERB --help tells more about a verb.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"intinfer {intinfer.__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    module = None
    for name, summary in VERBS.items():
        formatter = argparse.RawDescriptionHelpFormatter
        sub = verbs.add_parser(name, help=summary, formatter_class=formatter, allow_abbrev=False)
        if name == verb:
            module = importlib.import_module(f".{name}", __package__)
            module.configure(sub)
            sub.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    try:
        parsed = parser.parse_args(arguments)
    except SystemExit as done:  # --help and --version
        sys.stdout.flush()
        return int(done.code or 0)
    assert module is not None, "the parser accepts known verbs only"
    parsed.argv = arguments if called else None
    return int(module.run(parsed))


def _fail(message: str) -> int:
    """The one place that prints an error, of bounded length whatever it quotes from a file."""
    line = printable(" ".join(elided(message, MAX_LINE).splitlines()))
    print(f"intinfer: error: {elided(line, MAX_LINE)}", file=sys.stderr)
    return 2


def _no_memory(verb: str | None) -> int:
    more = "raise --memory-limit" if verb in ("convert", "check") else "try fewer or smaller images"
    return _fail(f"{verb}: not enough memory; {more}")


def _bug() -> int:
    for line in traceback.format_exc().splitlines():
        print(elided(line, MAX_LINE), file=sys.stderr)
    print(
        "intinfer: error: this is a bug of intinfer; please report the lines above with what you ran", file=sys.stderr
    )
    return 3
