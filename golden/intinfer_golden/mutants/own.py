"""Mutants of people's own RTL: its sources as they are given on a command line, beside a set of vectors."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Sequence
from itertools import chain
from pathlib import Path

from intinfer.errors import DataError

from ..testbench import FOLDER, ports
from .campaign import Design, Wrong
from .mutation import mutants
from .simulate import COMMANDS, available
from .tokens import Preprocessor, read_source
from .wrappers import saboteurs


def designs_of(
    directory: Path,
    rtl: Sequence[Path],
    *,
    dut: str = "dut",
    simulators: Sequence[str] = ("icarus",),
    includes: Sequence[Path] = (),
    defines: Sequence[str] = (),
) -> list[Design]:
    """The design in each simulator, not yet checked.

    Raises DataError when the set has no bench, a source cannot be read or is given twice, or a simulator is missing.
    """
    ports(directory)  # says what is wrong with a folder that is no set
    for name in ("tb.sv", "adapter.sv"):
        if not (directory / FOLDER / name).is_file():
            raise DataError(f"{directory / FOLDER / name}: is missing; make the vectors again with intinfer golden")
    if not re.fullmatch(r"[A-Za-z_][\w$]*", dut):
        raise DataError(f"{dut!r} is no name of a module")
    for macro in defines:
        if not re.fullmatch(r"[A-Za-z_]\w*(=.*)?", macro):
            raise DataError(f"{macro!r} is no macro; give NAME or NAME=VALUE")
    for path in rtl:
        if not path.is_file():
            raise DataError(f"{path}: is no file; give the sources of the design")
        if rtl.count(path) > 1:
            raise DataError(f"{path}: is given twice")
    for simulator in simulators:
        if not available(simulator):
            raise DataError(f"{simulator}: {COMMANDS[simulator]} is not installed, or not on the PATH")
    for folder in includes:
        if not folder.is_dir():
            raise DataError(f"{folder}: is no folder of included files")
    sources = tuple((str(path), path) for path in rtl)
    return [
        Design(directory.name, directory, sources, dut, simulator, includes=tuple(includes), defines=tuple(defines))
        for simulator in simulators
    ]


def wrong_designs(design: Design) -> list[Wrong]:
    """Every mutant of every source, in the order of compilation, then every saboteur."""
    preprocessor = Preprocessor({macro.partition("=")[0] for macro in design.defines}, design.includes)
    edited = (mutants(name, read_source(path), preprocessor, path.parent) for name, path in design.sources)
    return [*chain.from_iterable(edited), *saboteurs(ports(design.directory))]


def chosen(
    wrong: Sequence[Wrong], operators: Collection[str] = (), sample: int | None = None, seed: int = 1
) -> list[Wrong]:
    """Those of some operators, or of all; a sample of them, always the same for a seed.

    Raises DataError for an operator that none is of.
    """
    known = sorted({one.operator for one in wrong})
    for operator in operators:
        if operator not in known:
            raise DataError(f"operator {operator!r}: no mutant is of it; there are {', '.join(known) or 'none'}")
    kept = [one for one in wrong if not operators or one.operator in operators]
    if sample is None or sample >= len(kept):
        return kept
    places = sorted(random.Random(seed).sample(range(len(kept)), sample))
    return [kept[place] for place in places]
