"""Wrong designs that everybody has seen once: the directed vectors in their generated benches fail every one of them.

`make mutants` runs all mutants of the reference RTL; these are the classics, quickly.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from rtl import mutants, proofs
from tools import needs_icarus

from intinfer_golden.mutants import Design, Outcome
from intinfer_golden.mutants.campaign import RUNS, try_wrong

_CROSSED = "if (descending[row] ? z <= extended(thresholds[row*COUNT+j]) : z >= extended(thresholds[row*COUNT+j]))"
_TERNARY = "assign product[lane] = !code[0] ? '0 : code[1] ? -value : value;"
_IN_MAP = "assign in_map = y >= PAD_TOP && y < PAD_TOP + H && x >= PAD_LEFT && x < PAD_LEFT + W;"
_CHOSEN = "assign chosen[c*BITS+:BITS] = select[c] ? one[c*BITS+:BITS] : zero[c*BITS+:BITS];"
CLASSICS = {
    "> for >=": f"threshold.sv | {_CROSSED} | >= -> > | 0",
    "< for <= of a falling channel": f"threshold.sv | {_CROSSED} | <= -> < | 0",
    "thresholds of another channel": "threshold.sv | assign row = ROWS == 1 ? 0 : channel + lane; | + -> - | 0",
    "sign of a weight dropped": f"ternary_mac.sv | {_TERNARY} | - ->  | 0",
    "XOR for OR": "bitshift.sv | assign merged[lane] = a | b; | | -> ^ | 0",
    "shifted twice": "bitshift.sv | assign merged[lane*OUT_BITS+:OUT_BITS] = OUT_BITS'(sum >> 1); | 1 -> 2 | 0",
    "lanes in reverse": "bitshift.sv | assign merged[lane*OUT_BITS+:OUT_BITS] = OUT_BITS'(sum >> 1); "
    "| lane -> (FOLD - 1 - lane) | 0",
    "pad off by one": f"line_buffer.sv | {_IN_MAP} | < -> <= | 0",
    "no pad at the top": f"line_buffer.sv | {_IN_MAP} | >= -> > | 0",
    "a tie counts as above": "tgap.sv | assign select[c] = sum > HALF; | > -> >= | 0",
    "not cleared between frames": "tgap.sv | first <= pixel_last; | first <= pixel_last ->  | 0",
    "multiplexed by the wrong channel": f"mux.sv | {_CHOSEN} | c -> (C - 1 - c) | 0",
    "OR for XOR in rule 30": "rule30.sv | else if (step) row <= left ^ (row | right); | ^ -> | | 0",
    "skip upside down": "conv2d.sv | assign demanded = !DEMAND || d_data[channel]; | ! ->  | 0",
    "a ramp of weights not reset": "conv2d.sv | beat <= sum_valid ? 0 : beat + 1; | 0 -> 1 | 0",
}
CASES = ("threshold", "conv_ternary", "conv_generated", "bitshift", "or", "tgap", "mux")


@pytest.fixture(scope="module")
def designs(tmp_path_factory: pytest.TempPathFactory) -> list[Design]:
    return mutants.designs(tmp_path_factory.mktemp("mutants"), CASES, RUNS[:1])


@needs_icarus
@pytest.mark.parametrize("name", CLASSICS)
def test_classics_are_killed(name: str, designs: list[Design]) -> None:
    (mutant,) = [mutant for mutant in mutants.all_mutants() if mutant.key == CLASSICS[name]]
    assert try_wrong(mutant, mutants.concerned(mutant, designs)).verdict == "killed"


def test_keys_name_one_mutant_each_and_every_entry_is_about_one() -> None:
    keys = [mutant.key for mutant in mutants.all_mutants()]
    assert len(set(keys)) == len(keys)
    assert {entry.key for entry in proofs.entries()} <= set(keys)


def test_a_survivor_must_be_explained() -> None:
    first, second, third = mutants.all_mutants()[:3]
    outcomes = [Outcome(first, "killed", "case"), Outcome(second, "survived"), Outcome(third, "stillborn")]
    text, explained = mutants.report(outcomes, {})
    assert not explained
    assert f"survived: {second}" in text
    assert mutants.report(outcomes, {second.key: "proven"})[1]
    text, explained = mutants.report(outcomes, {second.key: "proven", first.key: "argued"})
    assert not explained
    assert f"called equivalent, but killed (case): {first.key}" in text


def test_the_files_of_a_design_are_found_by_its_instances(tmp_path: Path) -> None:
    known = {"a": tmp_path / "a.sv", "b": tmp_path / "b.sv", "c": tmp_path / "c.sv"}
    known["a"].write_text("module a; b inside(); endmodule")
    known["b"].write_text("module b; endmodule // not c")
    known["c"].write_text("module c; endmodule")
    assert mutants.used("module dut; a one(); endmodule", known) == (known["a"], known["b"])
