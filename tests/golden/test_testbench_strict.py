"""The generated SystemVerilog is what strict front ends take: checked by slang."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from golden_benches import fifo_set, gated
from tools import module

from intinfer_golden.testbench import Interface, write_bench

driver = module("pyslang.driver")


PART = """module part;
  logic [15:0] m_tdata;
  logic m_tvalid, m_tready, m_tlast;
endmodule
"""
"""What monitors look at, inside the design."""


def accepted(directory: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> bool:
    """Whether every file of the bench compiles, elaborated with a design of its ports that does nothing."""
    monkeypatch.chdir(directory)
    text = (directory / "bench" / "adapter.sv").read_text()
    start = text.index("`DUT under_test (")
    ports = [line.split("(")[0].strip(" .") for line in text[start:].splitlines() if line.strip().startswith(".")]
    stub = directory.parent / "stub.sv"
    outputs = ("m0_axis_tdata", "m0_axis_tvalid", "m0_axis_tlast", "m0_axis_tkeep", "m0_axis_tuser")
    kinds = [
        "output" if port in outputs or port.endswith(("s0_axis_tready", "d0_axis_tready")) else "input"
        for port in ports
    ]
    declared = ", ".join(f"{kind} logic [15:0] {port}" for kind, port in zip(kinds, ports, strict=True))
    stub.write_text(f"`timescale 1ns / 1ps\n{PART}module dut ({declared});\n  part inner ();\nendmodule\n")
    slang = driver.Driver()
    slang.addStandardArgs()
    files = (directory / "bench" / "files.f").read_text().split()
    assert slang.parseCommandLine(" ".join(["slang", "--top", "tb", "-DDUT=dut", *files, str(stub), *options]))
    return bool(slang.processOptions() and slang.parseAllSources() and slang.runFullCompilation(True))


def test_every_form_of_a_bench_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory, _ = fifo_set(tmp_path)
    assert accepted(directory, monkeypatch)
    other = Interface("aclk", "rst", active_high=True, asynchronous=True, tlast="none", tkeep=True, tuser=True)
    write_bench(directory, other)
    assert accepted(directory, monkeypatch)
    write_bench(directory, other, {"inner.m": "clip0"})
    assert accepted(directory, monkeypatch, "bench/bind.sv")
    write_bench(directory, Interface(), {"inner.m": "clip0"})
    assert accepted(directory, monkeypatch, "bench/bind.sv")
    icarus = ("-D__ICARUS__", "-DDUT_PATH=tb.adapter.under_test", "--top", "bench_bound")
    assert accepted(directory, monkeypatch, "bench/bind.sv", *icarus)
    binding = directory / "bench" / "bind.sv"
    binding.write_text(binding.read_text().replace("inner.m_tdata", "inner.m_data"))
    assert not accepted(directory, monkeypatch, "bench/bind.sv")
    (tmp_path / "masked").mkdir()
    masked, _ = gated(tmp_path / "masked")
    assert accepted(masked, monkeypatch)


def test_a_string_that_is_not_typed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory, _ = fifo_set(tmp_path)
    file = directory / "bench" / "tb.sv"
    text = file.read_text()
    assert not re.search(r"parameter\s+\w+\s*=", text)
    file.write_text(text.replace("string chosen_element;", "logic [7:0] letter; string chosen_element = letter;"))
    assert not accepted(directory, monkeypatch)
