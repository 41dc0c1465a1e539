"""The normative text agrees with the code: the op table is generated, the examples run."""

import doctest
import re
from dataclasses import fields
from pathlib import Path

import pytest

import intinfer.spec
from intinfer.accumulator import Overflow, TapOrder
from intinfer.ops import OPS
from intinfer.rounding import RoundMode
from intinfer.spec import generate

SPEC = Path(intinfer.spec.__file__).parent


def test_the_committed_op_table_is_the_generated_one():
    assert (SPEC / "ops.md").read_text(encoding="utf-8") == generate.ops_text(), (
        "ops.md is not what the code says: run `python -m intinfer.spec.generate`"
    )


def test_the_committed_table_of_the_model_file_is_the_generated_one():
    text = (SPEC / "model_file.md").read_text(encoding="utf-8")
    assert text == generate.file_text(text), "model_file.md is not what the code says: run it"
    assert generate.file_text(text.replace("| `mux` | 1 | |\n", "")) == text


def test_the_example_of_an_op_is_of_its_own_kind():
    assert {kind: op.example()[0].kind for kind, op in OPS.items()} == {kind: kind for kind in OPS}


@pytest.mark.parametrize("kind", OPS)
def test_the_table_names_formula_attributes_inputs_and_result(kind):
    section = generate.ops_text().split(f"\n## {kind}\n")[1].split("\n## ")[0]
    assert section.startswith("\n```text\n")
    for field in fields(OPS[kind]):
        assert f"\n| `{field.name}` | `{field.type}` | " in section
    assert ("\nNo attributes.\n" in section) == (not fields(OPS[kind]))
    assert "\nInputs: " in section
    assert re.search(r"\nResult: \S.{5}", section)


def test_an_attribute_keeps_its_whole_meaning():
    text = generate.ops_text()
    assert "| `groups` | `int` | divides input and output channels. |" in text
    assert "| `shift` | `IntTensor` | M, B, S, each (C,) or (1,); S in 0..62; the widths are their encodings. |" in text
    assert "they cover the input's type exactly, with at most 4,096 entries a channel. |" in text


def test_the_worked_conv2d_example_by_hand():
    """Input 0..7, weights 1 0 -1 and 1 1 1: sums run from -7 to 4 * 7; rows 3 // 2 + 1, columns 5 + 2 - 3 + 1."""
    assert "\nx0 (2, 4, 5) of 0..7\ny  (1, 2, 5) of -7..28\n" in generate.ops_text()


def test_the_examples_of_the_types_text_run():
    results = doctest.testfile(str(SPEC / "types.md"), module_relative=False, encoding="utf-8")
    assert results.failed == 0
    assert results.attempted >= 25


def test_the_types_text_names_every_rule_and_mode():
    text = (SPEC / "types.md").read_text(encoding="utf-8")
    for name in (*Overflow, *RoundMode, *TapOrder):
        assert f"`{name}`" in text
