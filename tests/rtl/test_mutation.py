"""The operators of `mutation`, on small texts whose mutants are written out."""

from __future__ import annotations

from rtl.mutation import mutants


def changed(code: str, operator: str) -> list[str]:
    """The line as each mutant of an operator has it, blanks squeezed."""
    return [" ".join(m.apply(code).split()) for m in mutants("x.sv", code) if m.operator == operator]


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
