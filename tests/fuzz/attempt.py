"""One file through `convert` and `check`: what came of it. As a program, the same for many damaged files.

python -m fuzz.attempt FILE FIRST LAST     (a JSON line before and after each)
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import resource
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from fuzz.mutations import damaged
from fuzz.sources import OPTIONS
from intinfer.cli import main

IMAGES = 4
INTEGERS, SUBNORMAL = 2**31, 2.0**-126
"""What float32 to int32 conversion is defined for, and the smallest normal float32."""
TRACE = 3000
LIMIT = 8 * 2**30
"""Address space of the program: far more than any file here needs, less than a machine has."""


@dataclass(frozen=True)
class Outcome:
    """`kind`: "refused" (one line that names the file), "agrees" (it converts, and `check` finds no mismatch),
    "unchecked" (it converts, and the source's own framework refuses to run it or overflows), or "wrong"."""

    kind: str
    text: str
    seconds: float


def attempt(path: Path, *options: str) -> Outcome:
    """Convert and check the file."""
    start = time.perf_counter()
    model = path.with_suffix(".model.npz")
    model.unlink(missing_ok=True)
    code, _, err = called("convert", str(path), "-o", str(model), *options)
    if code == 2:
        kind = "refused" if one_line(err, path) and not model.exists() else "wrong"
        return Outcome(kind, err[-TRACE:], time.perf_counter() - start)
    if code or err:
        return Outcome("wrong", f"exit code {code}: {err[-TRACE:]}", time.perf_counter() - start)
    code, out, err = called("check", str(model), str(path), "--limit", str(IMAGES))
    kind = {0: "agrees", 2: "unchecked"}.get(code, "wrong")
    if code == 1:
        err = out.splitlines()[-1]
        kind = "unchecked" if out_of_range(err) else "wrong"
    elif err and not one_line(err, path):
        kind = "wrong"
    return Outcome(kind, err[-TRACE:], time.perf_counter() - start)


def out_of_range(mismatch: str) -> bool:
    """Whether it is about numbers that runtimes convert to integers, or flush to 0, as they like."""
    exact, off = (re.search(rf"{what} (-?[\d.]+(?:e[+-]?\d+)?)", mismatch) for what in ("exact value", "off by"))
    return bool((exact and abs(float(exact[1])) > INTEGERS) or (off and float(off[1]) < SUBNORMAL))


def called(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(arguments))
    return code, out.getvalue(), err.getvalue()


def one_line(err: str, path: Path) -> bool:
    """Whether it is an error of one line that names the file and does not fill the screen."""
    return bool(re.fullmatch(r"intinfer: error: [^\n]{1,4000}\n", err)) and path.stem in err


def peak() -> int:
    """The most memory that this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _main(first: str, last: str, *files: str) -> None:
    soft, hard = LIMIT, resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    with tempfile.TemporaryDirectory() as folder:
        for file in map(Path, files):
            options = OPTIONS.get(file.suffix, [])
            if first == last:
                _report(file.name, file, options)
                continue
            data, path = file.read_bytes(), Path(folder, f"damaged{file.suffix}")
            path.write_bytes(data)
            attempt(path, *options)  # what is imported once is no case's memory or time
            for number in range(int(first), int(last)):
                path.write_bytes(damaged(data, file.suffix, number))
                _report(f"{file.name} {number}", path, options)


def _report(case: str, path: Path, options: list[str]) -> None:
    print(json.dumps({"case": case}), flush=True)  # the last words of a process that crashes
    before = peak()
    outcome = attempt(path, *options)
    print(json.dumps({"case": case, **asdict(outcome), "memory": peak() - before}), flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
