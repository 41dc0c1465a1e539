"""Handshakes that nobody knows, around the reset of a stream."""

from __future__ import annotations

from pathlib import Path

import pytest
from dump_waves import RESET, Wave, plain_put, played, write_stream_set

from intinfer.errors import DataError
from intinfer_golden import verify
from intinfer_golden.verification.dumps.waveform import Stream


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stream_set(tmp_path_factory.mktemp("sets") / "set")


@pytest.mark.parametrize(("before", "after"), [({"ready": 2}, {}), ({"valid": 2}, {}), ({}, {"valid": 2})])
def test_unknown_handshakes_before_and_after_a_reset(
    before: dict[str, int], after: dict[str, int], vectors: Path, tmp_path: Path
) -> None:
    def put(name: str, value: int) -> str:
        return f"x{name[0]}" if value == 2 and name != "data" else plain_put(name, value)

    wave = Wave(RESET, put)
    wave.cycle(data=1, valid=1, ready=1, rst_n=1)
    wave.cycle(**{"data": 1, "valid": 1, "ready": 1, **before})  # taken back by the reset
    wave.cycle(rst_n=0, valid=0, ready=1)
    wave.cycle(rst_n=1, **after)
    dump = tmp_path / "sim.vcd"
    dump.write_text(played(wave).text())
    if after:
        with pytest.raises(DataError, match=r"sim\.vcd: time 35: valid is 'x' at a clock edge; drive it 0 or 1"):
            verify(vectors, [dump], stream=Stream("tb.m0_axis"))
    else:
        assert verify(vectors, [dump], stream=Stream("tb.m0_axis")).equal
