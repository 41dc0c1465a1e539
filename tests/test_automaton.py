"""Cellular automata against CellPyLib and against the Boolean formula of the paper."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intinfer.automaton import evolve

CELLPYLIB = json.loads((Path(__file__).parent / "data" / "rule30_cellpylib.json").read_text())


@pytest.mark.parametrize("case", CELLPYLIB["cases"], ids=lambda case: "".join(map(str, case["seed"]))[:40])
def test_rule_30_equals_cellpylib(case):
    states = evolve(np.array(case["seed"]), len(case["states"]), 30)
    assert states.tolist() == case["states"]
    assert states[0].tolist() == case["seed"]


@given(st.lists(st.integers(0, 1), min_size=1, max_size=12), st.integers(1, 6))
def test_rule_30_equals_the_formula_of_the_paper(seed, rows):
    expected = [seed]
    while len(expected) < rows:
        s = expected[-1]
        expected.append([s[i - 1] ^ (s[i] | s[(i + 1) % len(s)]) for i in range(len(s))])
    assert evolve(np.array(seed), rows, 30).tolist() == expected


@pytest.mark.parametrize("rule", range(256))
def test_every_rule_by_wolframs_numbering(rule):
    seed = [0, 0, 0, 1, 0, 1, 1, 1]  # a de Bruijn ring: each of the eight neighbourhoods stands there once
    around = [f"{seed[i - 1]}{seed[i]}{seed[(i + 1) % 8]}" for i in range(8)]
    assert len(set(around)) == 8
    by_pattern = dict(zip(("111", "110", "101", "100", "011", "010", "001", "000"), f"{rule:08b}", strict=True))
    assert evolve(np.array(seed), 2, rule)[1].tolist() == [int(by_pattern[pattern]) for pattern in around]
