"""The operators of mutants, on small texts whose mutants are written out, and on texts that are hard to read."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from own_designs import OWN

from intinfer_golden.mutants.mutation import mutants
from intinfer_golden.mutants.tokens import Preprocessor, read_source, write_source


def changed(code: str, operator: str, defined: tuple[str, ...] = ()) -> list[str]:
    """The line as each mutant of an operator has it, blanks squeezed."""
    found = mutants("x.sv", code, Preprocessor(set(defined)))
    return [" ".join(m.apply(code).split()) for m in found if m.operator == operator]


def test_comparisons_are_told_from_assignments() -> None:
    code = "always_ff @(posedge clk) if (a <= b) q <= c >= d;"
    assert changed(code, "relational") == [
        "always_ff @(posedge clk) if (a < b) q <= c >= d;",
        "always_ff @(posedge clk) if (a > b) q <= c >= d;",
        "always_ff @(posedge clk) if (a <= b) q <= c < d;",
        "always_ff @(posedge clk) if (a <= b) q <= c > d;",
    ]


def test_an_assignment_of_a_comparison() -> None:
    assert changed("assign y = a <= b;", "relational") == ["assign y = a < b;", "assign y = a > b;"]


def test_or_becomes_xor_and_shifts_lose_their_sign() -> None:
    assert changed("assign y = a | b;", "logic") == ["assign y = a & b;", "assign y = a ^ b;"]
    assert changed("assign y = (a + b) >>> 1;", "shift") == ["assign y = (a + b) << 1;", "assign y = (a + b) >> 1;"]


def test_signs_and_negations_are_dropped() -> None:
    assert changed("assign y = $signed(a) + (-b);", "sign") == [
        "assign y = $unsigned(a) + (-b);",
        "assign y = $signed(a) + (b);",
    ]
    assert changed("assign y = !a && ~b;", "negation") == ["assign y = a && ~b;", "assign y = !a && b;"]


def test_constants_go_up_and_down_but_declarations_stay() -> None:
    assert changed("localparam int N = 3; logic [7:0] x; assign y = x + 0 - 1'b1;", "constant") == [
        "localparam int N = 3; logic [7:0] x; assign y = x + 1 - 1'b1;",
        "localparam int N = 3; logic [7:0] x; assign y = x + 0 - 1'b0;",
    ]


def test_conditions_always_never_and_the_other_way() -> None:
    assert changed("if (a && b) q <= 1'b1;", "condition") == [
        "if (!(a && b)) q <= 1'b1;",
        "if (1'b0) q <= 1'b1;",
        "if (1'b1) q <= 1'b1;",
    ]


def test_branches_are_swapped_in_nested_choices() -> None:
    assert changed("assign y = s ? a : t ? b : c;", "branches") == [
        "assign y = s ? (t ? b : c) : (a);",
        "assign y = s ? a : t ? (c) : (b);",
    ]


def test_a_register_keeps_its_value() -> None:
    code = "always_ff @(posedge clk) begin if (!rst_n) begin sum <= '0; end else if (go) sum <= sum + x; end"
    assert changed(code, "deletion") == [
        "always_ff @(posedge clk) begin if (!rst_n) begin ; end else if (go) sum <= sum + x; end",
        "always_ff @(posedge clk) begin if (!rst_n) begin sum <= '0; end else if (go) ; end",
    ]


def test_lanes_in_reverse() -> None:
    code = "for (int i = 0; i < LANES; i++) y[i * W +: W] = x[i * W +: W];"
    assert changed(code, "lanes") == [
        "for (int i = 0; i < LANES; i++) y[(LANES - 1 - i) * W +: W] = x[i * W +: W];",
        "for (int i = 0; i < LANES; i++) y[i * W +: W] = x[(LANES - 1 - i) * W +: W];",
    ]


def test_comments_strings_and_checks_of_the_simulation_have_no_mutants() -> None:
    code = 'initial $readmemh("a + 1", rom); // b >= c\n/* d + e */ module m #(parameter int N = 1) (input logic x);'
    assert mutants("x.sv", code) == []


def test_keys_survive_moved_lines_and_tell_sites_apart() -> None:
    code = "assign y = a + a + a;\n"
    here, moved = mutants("x.sv", code), mutants("x.sv", f"// a note\n{code}")
    assert [m.key for m in here] == [m.key for m in moved]
    assert len({m.key for m in here}) == len(here) > 1


RESET = "always @(posedge clk or negedge rst_n) begin if (!rst_n) begin q <= 4'd3; end else q <= q + d; end"


def test_a_register_that_is_not_reset_has_its_value_from_the_beginning() -> None:
    assert changed(RESET, "not reset") == [f"initial q = 4'd3; {RESET.replace(' q <= 4' + chr(39) + 'd3;', ' ;', 1)}"]


def test_a_register_is_reset_to_another_value() -> None:
    assert changed(RESET, "reset value") == [RESET.replace("4'd3", "37")]
    assert changed(RESET, "constant") == [RESET.replace("4'd3", "4'd2"), RESET.replace("4'd3", "4'd4")]
    assert changed("always @(posedge clk) if (rst) q <= 1'b0; else q <= d;", "reset value") == []
    for zero, below, above in (("0", "-1", "1"), ("'0", "'1", "1")):  # a sum that begins one too low, one too high
        code = f"always @(posedge clk) if (rst) q <= {zero}; else q <= q + d;"
        made = changed(code, "reset value") + changed(code, "constant")
        assert set(made) == {code.replace(f"<= {zero}", f"<= {other}") for other in ("37", below, above)}


def test_a_reset_is_ignored() -> None:
    assert changed(RESET, "reset ignored") == [
        "initial begin q = 4'd3; end " + RESET.replace("!rst_n", "1'b0"),
    ]


@pytest.mark.parametrize(
    ("condition", "reset"),
    [
        *(("rst", 0), ("reset", 0), ("!rst_n", 0), ("~aresetn", 0), ("rst_n == 1'b0", 0), ("i_rst == 1'b1", 0)),
        *(("rst_n", 1), ("!rst", 1), ("!first", None), ("burst", None), ("rst && go", None), ("!ready", None)),
    ],
)
def test_resets_are_told_by_name_and_polarity(condition: str, reset: int | None) -> None:
    """`reset`: which of the two branches is the reset."""
    code = f"always @(posedge clk) if ({condition}) a <= 5; else b <= 6;"
    assert changed(code, "reset value") == ([] if reset is None else [code.replace("56"[reset], "37", 1)])


def test_literals_keep_their_width_and_base() -> None:
    assert changed("assign y = 8'hff;", "constant") == ["assign y = 8'h0;", "assign y = 8'hfe;"]
    assert changed("assign y = 4'sb0101 ;", "constant") == ["assign y = 4'sb100 ;", "assign y = 4'sb110 ;"]
    assert changed("assign y = 4'b1x0z;", "constant") == []
    assert changed("always @(posedge clk) q <= #1 d;", "constant") == []


def test_what_is_for_simulation_alone_has_no_mutants() -> None:
    body = "assign y = a + b;"
    assert len(mutants("x.v", body)) == 1
    for before, after in (
        ("`ifdef FORMAL\n", "\n`endif"),
        ("`ifndef SYNTHESIS\n", "\n`endif"),
        ("`ifdef SYNTHESIS\n", "\n`endif"),
        ("// synthesis translate_off\n", "\n// synthesis translate_on"),
        ("`define X 1\n`ifdef X\n`else\n", "\n`endif"),
        ("`define SUM \\\n", ""),
        ("specify ", " endspecify"),
    ):
        assert mutants("x.v", f"{before}{body}{after}") == [], before
        assert len(mutants("x.v", f"{before}{body}{after}\n{body}")) == 1, before
    assert mutants("x.v", "always @(posedge clk) assert (a == b);") == []
    assert len(mutants("x.v", f"`ifdef X\n{body}\n`endif", Preprocessor({"X"}))) == 1


def test_macros_of_an_included_file_count(tmp_path: Path) -> None:
    (tmp_path / "inner.vh").write_text("`define WIDE\n")
    (tmp_path / "outer.vh").write_text('`include "inner.vh"\n`include "outer.vh"\n')
    code = '`include "outer.vh"\n`ifdef WIDE\nassign y = a + b;\n`else\nassign y = a - b;\n`endif'
    assert [m.line for m in mutants("x.v", code, Preprocessor(), tmp_path)] == [3]
    assert [m.line for m in mutants("x.v", code, Preprocessor(folders=(tmp_path,)))] == [3]
    assert [m.line for m in mutants("x.v", code)] == [5]


def test_a_use_of_a_macro_does_not_hide_the_rest_of_the_line() -> None:
    assert changed("assign y = `WIDTH'd0 + `F(a) & b;", "arithmetic") == ["assign y = `WIDTH'd0 - `F(a) & b;"]


def test_headers_attributes_and_escaped_names_stay() -> None:
    code = (
        "(* depth = 1 + 2 *) module m import p::*; #(parameter A = 1 + 1) (input [7:0] a); wire [3:0] \\b+c ; endmodule"
    )
    assert mutants("x.sv", code) == []


@pytest.mark.parametrize("name", ["pool.v", "mux.sv", "mux_types.sv"])
def test_every_change_lies_in_the_file_and_nowhere_else(name: str, tmp_path: Path) -> None:
    source = read_source(OWN / name)
    found = mutants(name, source, Preprocessor(), OWN)
    assert len({m.key for m in found}) == len(found)
    assert len({m.apply(source) for m in found}) >= 0.9 * len(found)
    for mutant in found:
        assert mutant.apply(source) != source
        assert mutant.code in source.split("\n")[mutant.line - 1]
        kept, place = "", 0
        for start, end, _ in mutant.edits:
            assert place <= start <= end <= len(source)
            kept, place = kept + source[place:start], end
        assert len(kept + source[place:]) == len(source) - sum(end - start for start, end, _ in mutant.edits)
    write_source(tmp_path / name, source)
    assert (tmp_path / name).read_bytes() == (OWN / name).read_bytes()


def test_torn_and_shuffled_texts_are_read() -> None:
    """Nobody promises that a source is whole; it will not compile, and that is said later."""
    rng = random.Random(0)
    texts = [read_source(path) for path in sorted(OWN.iterdir())]
    for _ in range(150):
        text = rng.choice(texts)
        pieces = [text[(at := rng.randrange(len(text))) : at + rng.randrange(1, 400)] for _ in range(3)]
        code = rng.choice(["", "(", "]", "if (", "`else ", "`endif\n", "/*", '"']).join(pieces)
        for mutant in mutants("x.sv", code):
            assert all(0 <= start <= end <= len(code) for start, end, _ in mutant.edits)


def test_bytes_that_are_no_text_stay(tmp_path: Path) -> None:
    path = tmp_path / "x.v"
    path.write_bytes(b"// \xff\xe9\r\nassign y = a + b;\r\n")
    (mutant,) = mutants("x.v", read_source(path))
    write_source(path, mutant.apply(read_source(path)))
    assert path.read_bytes() == b"// \xff\xe9\r\nassign y = a - b;\r\n"
    assert mutant.code == "assign y = a + b;"
