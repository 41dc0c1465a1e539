"""Mutants that are the same design, proven so by yosys, for all parameters that the designs of the cases give.

Each module of a mutated file is taken as it is in a design: with concrete parameters, and its ROMs read. By induction:
registers of the same name begin equal (initial values are, and what has none is arbitrary in both), and if all are
equal in a cycle, so are all outputs, and the registers in the next cycle, for any inputs. Instances inside are cut out
where they are the same modules with the same parameters: their inputs are compared as outputs are, their outputs are
any inputs. As streams: what is not the same cycle by cycle, because it is slower or keeps other bits, sends the same
words for N cycles in one design, see `streams`. What stands as argued is not proven.
"""

from __future__ import annotations

import re
import tempfile
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from rtl import streams

from intinfer_golden.mutants import Design
from intinfer_golden.mutants.mutation import Mutant
from intinfer_golden.mutants.processes import Processes
from intinfer_golden.testbench import ports

FILE = Path(__file__).with_name("equivalent.toml")
RTL = Path(__file__).parent
TIME = 60
"""Seconds that yosys may take for a step."""
_BODY = "memory -nomap; memory_map; clean"
_READY = {"cut": f"expose -evert; {_BODY}", "flat": f"flatten; {_BODY}"}
_MERGES = ("equiv_struct -icells;", "equiv_struct -fwonly -icells;", "", "equiv_struct;")
"""Equal cells become one before the proof; sometimes that helps, sometimes it takes away what induction needs. With
-fwonly only cells of equal inputs do: without, two different comparisons before one multiplexer are to be equal."""
_INDUCTION = (
    "read_rtlil gold.il; read_rtlil gate.il; equiv_make gold gate equiv; hierarchy -top equiv; clean; {merge} "
    "equiv_simple -undef -short; equiv_simple -undef; equiv_induct -undef; equiv_status -assert"
)


@dataclass(frozen=True)
class Entry:
    """A mutant that no vector can kill.

    Attributes:
        key: of the mutant.
        reason: why it is the same design, for people.
        proof: "induction", "streams", or "argued".
        cycles: that a proof of streams is for.
        case: the design that a proof of streams is for; one by induction is for all of them.
    """

    key: str
    reason: str
    proof: str
    cycles: int = 0
    case: str = ""

    @property
    def how(self) -> str:
        """For the kill table."""
        return {"induction": "proven", "streams": "proven, bounded", "argued": "argued"}[self.proof]


def installed() -> bool:
    """Whether yosys is, with the abc that comes with it."""
    return None not in (which("yosys"), which("yosys-abc"))


def entries() -> list[Entry]:
    return [Entry(**entry) for entry in tomllib.loads(FILE.read_text())["mutant"]]


def summary(entries: Sequence[Entry]) -> str:
    counts = Counter(entry.how for entry in entries)
    return "equivalent: " + ", ".join(f"{counts[how]} {how}" for how in sorted(counts))


def failed(entries: Sequence[Entry], every: Sequence[Mutant], designs: Sequence[Design]) -> list[str]:
    """What cannot be proven again, a line each; a proof needs the designs of its file among `designs`."""
    if not installed():
        return ["yosys is not installed"]
    by_key = {mutant.key: mutant for mutant in every}
    return [
        f"{entry.key}: {why}"
        for entry in entries
        if entry.proof != "argued" and (why := unproven(entry, by_key[entry.key], designs)) is not None
    ]


def unproven(entry: Entry, mutant: Mutant, designs: Sequence[Design]) -> str | None:
    """None when the mutant is proven as the entry says; otherwise the first module that it is not proven for."""
    concerned = [
        design for design in designs if mutant.file in dict(design.sources) and entry.case in ("", design.name)
    ]
    proven: set[str] = set()
    for design in concerned:
        with tempfile.TemporaryDirectory(prefix="intinfer-proof-") as folder:
            pair = _Pair(mutant, design, Path(folder))
            if entry.proof == "streams":
                return None if pair.streams(entry.cycles) else f"{design.name}: {entry.cycles} cycles"
            for module in pair.modules():
                if module not in proven and not pair.induction(module):
                    return f"{design.name}: {module}"
                proven.add(module)
    return None if proven else "no design here has it"


class _Pair:
    """A design and the same with a mutant, elaborated."""

    def __init__(self, mutant: Mutant, design: Design, folder: Path) -> None:
        self._folder = folder
        self._ports = ports(design.directory)
        self._names = re.findall(r"^\s*module\s+(\w+)", (RTL / mutant.file).read_text(), re.MULTILINE)
        changed = folder / mutant.file
        changed.write_text(mutant.apply((RTL / mutant.file).read_text()))
        right = [path for _, path in design.sources]
        wrong = [changed if name == mutant.file else path for name, path in design.sources]
        for name, files in (("gold", right), ("gate", wrong)):
            text = f"read_verilog -sv -defer -DSYNTHESIS {' '.join(map(str, files))}; hierarchy -check -top dut; proc"
            if not _yosys(f"{text}; write_rtlil {folder}/{name}.all.il", design.directory):
                raise RuntimeError(f"{design.name}: yosys does not read it, with {mutant}")

    def modules(self) -> list[str]:
        """The mutated file's modules with their parameters, the same ones in both designs; otherwise the whole."""
        gold, gate = (self._of_file(name) for name in ("gold", "gate"))
        return gold if gold == gate else ["dut"]

    def induction(self, module: str) -> bool:
        same = self._instances(module, "gold") == self._instances(module, "gate")
        return any(
            _yosys(_INDUCTION.format(merge=merge), self._folder)
            for way in ("cut", "flat")
            if (way == "flat" or same) and self._ready(module, way) and self._initial("gold") == self._initial("gate")
            for merge in _MERGES
        )

    def streams(self, cycles: int) -> bool:
        return self._ready("dut", "flat") and streams.proven(self._folder, self._ports, cycles)

    def _of_file(self, name: str) -> list[str]:
        """A module with parameters has the name `$paramod...\\name`."""
        found = re.findall(r"^module \\?(\S+)$", self._text(f"{name}.all"), re.MULTILINE)
        return [module for module in found if re.split(r"\\", module)[-1] in self._names]

    def _instances(self, module: str, name: str) -> list[str]:
        """The cells of a module that are modules, with their parameters in the names of those."""
        (body,) = re.findall(rf"^module \\?{re.escape(module)}$(.*?)^end$", self._text(f"{name}.all"), re.M | re.S)
        return sorted(re.findall(r"^  cell (?:\\|\$paramod)\S+ \S+$", body, re.MULTILINE))

    def _ready(self, module: str, way: str) -> bool:
        """Both as `gold` and `gate`, without memories and instances."""
        named = module if module.startswith("$") else f"\\{module}"
        return all(
            _yosys(
                f"read_rtlil {name}.all.il; hierarchy -top {named}; cd {named}; {_READY[way]}; cd; "
                f"rename {named} {name}; select {name}; write_rtlil -selected {name}.il",
                self._folder,
            )
            for name in ("gold", "gate")
        )

    def _initial(self, name: str) -> list[tuple[str, str]]:
        """Registers with their initial values: yosys takes them as equal without looking."""
        text = self._text(name)
        return sorted(
            re.findall(r"^  attribute \\init (\S+)\n(?:  attribute .*\n)*  wire .*?(\S+)$", text, re.MULTILINE)
        )

    def _text(self, name: str) -> str:
        return (self._folder / f"{name}.il").read_text()


def _yosys(script: str, directory: Path) -> bool:
    return Processes().run(["yosys", "-q", "-p", script], directory, TIME, directory).returncode == 0
