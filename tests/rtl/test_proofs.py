"""Mutants that are the same design are proven so by yosys, and those that are not are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rtl import cases, mutants, proofs
from rtl.proofs import Entry
from tools import needs

from intinfer_golden.mutants import Design
from intinfer_golden.mutants.mutation import Mutant

pytestmark = needs("yosys")

CASES = ("clamp", "max_pool", "table", "tgap")
CLIPPED = (
    "assign clipped[lane*OUT_BITS+:OUT_BITS] = channel + lane < C ? OUT_BITS'(z < LO ? LO : z > HI ? HI : z) : '0;"
)
WRONG = {
    "another comparison": f"clamp.sv | {CLIPPED} | < -> <= | 0",
    "another initial value": "tgap.sv | done <= 1'b0; | done <= 1'b0 -> initial done = 1'b0; | 0",
}
"""Not the same design, each in a way that a careless proof does not see."""


@pytest.fixture(scope="module")
def designs(tmp_path_factory: pytest.TempPathFactory) -> list[Design]:
    """As `mutants.designs`, without simulation."""
    folder, known, made = tmp_path_factory.mktemp("proofs"), mutants.modules(), []
    for case in cases.build(folder, CASES):
        dut = folder / f"{case.name}.dut.sv"
        dut.write_text(case.text)
        sources = tuple((path.name, path) for path in (dut, *mutants.used(case.text, known)))
        made.append(Design(case.name, case.directory, sources))
    return made


def mutant(key: str) -> Mutant:
    (found,) = (one for one in mutants.all_mutants() if one.key == key)
    return found


@pytest.mark.parametrize("file", ["clamp.sv", "max_pool.sv", "table_lookup.sv"])
def test_proofs_are_found_again(file: str, designs: list[Design]) -> None:
    entries = [entry for entry in proofs.entries() if entry.key.startswith(file) and entry.proof != "argued"]
    assert entries
    assert proofs.failed(entries, mutants.all_mutants(), designs) == []


@pytest.mark.parametrize("name", WRONG)
def test_what_is_another_design_is_not_proven(name: str, designs: list[Design]) -> None:
    assert proofs.unproven(Entry(WRONG[name], "", "induction"), mutant(WRONG[name]), designs) is not None


def test_a_parameter_of_an_instance_is_not_cut_away(designs: list[Design]) -> None:
    """With the instance cut out the two would look the same."""
    changed = mutant("clamp.sv | .OUT_BITS(64) | 64 -> 65 | 0")
    source = (Path(mutants.RTL) / "clamp.sv").read_text()
    start = source.index(".SIGNED(IN_SIGNED)") + len(".SIGNED(")
    wrong = replace(changed, edits=((start, start, "!"),))
    assert proofs.unproven(Entry(changed.key, "", "induction"), wrong, designs) is not None


@pytest.mark.parametrize(
    ("key", "cycles", "proven"),
    [
        (WRONG["another initial value"], 140, False),
        (f"clamp.sv | {CLIPPED} | < -> <= | 1", 40, True),
        (f"clamp.sv | {CLIPPED} | < -> <= | 0", 40, False),
        (f"clamp.sv | {CLIPPED} | < -> <= | 1", 8, False),
        ("clamp.sv | m_last <= s_last; | m_last <= s_last ->  | 0", 40, False),
        ("clamp.sv | m_valid <= s_valid; | m_valid <= s_valid ->  | 0", 40, False),
    ],
    ids=[
        "another initial value",
        "the same",
        "other words",
        "no frame within the bound",
        "undefined tlast",
        "nothing is sent",
    ],
)
def test_streams_are_proven_where_every_word_comes(key: str, cycles: int, proven: bool, designs: list[Design]) -> None:
    entry = Entry(key, "", "streams", cycles, key.split(".")[0])
    assert (proofs.unproven(entry, mutant(key), designs) is None) == proven


def test_streams_may_be_slower(designs: list[Design]) -> None:
    """A pool that takes a pixel every other cycle is another design cycle by cycle."""
    key = WRONG["another initial value"]
    place = (Path(mutants.RTL) / "tgap.sv").read_text().index("assign pixel_ready = !done;")
    rests = "logic rests; always_ff @(posedge clk) rests <= rst_n && !rests; assign pixel_ready = !done && !rests;"
    slower = replace(mutant(key), edits=((place, place + len("assign pixel_ready = !done;"), rests),))
    assert proofs.unproven(Entry(key, "", "induction"), slower, designs) is not None
    assert proofs.unproven(Entry(key, "", "streams", 140, "tgap"), slower, designs) is None


def test_a_proof_without_its_design_is_none(designs: list[Design]) -> None:
    entry = next(entry for entry in proofs.entries() if entry.key.startswith("max_pool.sv"))
    others = [design for design in designs if design.name != "max_pool"]
    assert proofs.failed([entry], mutants.all_mutants(), others) == [f"{entry.key}: no design here has it"]
