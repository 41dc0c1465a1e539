"""Dumps without a word: there is no value to be wrong, so they are said to be empty."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from golden_benches import fifo_set

from intinfer.errors import DataError
from intinfer_golden import verify
from intinfer_golden.verification.compare import Comparison, Verification
from intinfer_golden.verification.dumps.waveform import Stream
from intinfer_golden.verification.report import commands, describe, junit_xml

HEAD = "$var wire 1 ! clk $end $var wire 16 d m0_tdata $end $var wire 1 v m0_tvalid $end $var wire 1 r m0_tready $end"
SAID = "EMPTY, it holds none of the {} words expected; look whether the simulation ran to its end, sent anything, and"


def one(vectors: Path, path: Path, text: str, stream: Stream | None = None) -> Comparison:
    path.write_text(text)
    (comparison,) = verify(vectors, [path], node="clip0", stream=stream).comparisons
    return comparison


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("d.mem", "", 36),
        ("d.hex", "// of the tool\n", 36),
        ("d.csv", "\n", 90),
        ("d.vcd", f"{HEAD} $enddefinitions $end\n#0\n0!\n0v\n1r\n#5\n1!\n", 36),
    ],
)
def test_it_is_said_first_and_nothing_of_values(name: str, text: str, count: int, tmp_path: Path) -> None:
    vectors, _ = fifo_set(tmp_path)
    comparison = one(vectors, tmp_path / name, text, Stream("m0") if name.endswith("vcd") else None)
    assert not comparison.equal
    said = SAID.format(count)
    assert describe(comparison) == [f"{tmp_path / name}: node clip0: {said} closed its file"]
    assert (comparison.hints, comparison.causes) == ((), ())
    (case,) = ElementTree.fromstring(junit_xml(Verification((comparison,), ()))).iter("failure")
    assert case.attrib["message"].startswith(said)


def test_commands_follow_a_value_that_is_wrong(tmp_path: Path) -> None:
    vectors, _ = fifo_set(tmp_path)
    empty = one(vectors, tmp_path / "d.mem", "")
    assert commands(Verification((empty,), ())) == {}
    words = [line for line in (vectors / "values" / "clip0.memh").read_text().split("\n") if line[:1] != "/"]
    wrong = one(vectors, tmp_path / "e.mem", "\n".join(["xxx", *words[1:]]))
    assert commands(Verification((empty, wrong), ())) == commands(Verification((wrong,), ())) != {}


@pytest.mark.parametrize(
    ("name", "message"),
    [("d.coe", "is empty and does not begin with"), ("d.npy", "(it is empty)"), ("d.vcd", "(it is empty)")],
)
def test_files_that_need_a_head(name: str, message: str, tmp_path: Path) -> None:
    vectors, _ = fifo_set(tmp_path)
    with pytest.raises(DataError) as caught:
        one(vectors, tmp_path / name, "", Stream("m0") if name.endswith("vcd") else None)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert message in str(caught.value)
