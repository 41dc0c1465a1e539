"""The operators that spec/sources.md lists are those that the readers read."""

import re
from pathlib import Path

import pytest

import intinfer
from intinfer_converters.read_aten import ours
from intinfer_converters.read_aten.arrangement import MOVING
from intinfer_converters.read_aten.tables import HANDLERS, REFUSED_OPS
from intinfer_converters.read_onnx.table import CUSTOM, MICROSOFT, ONNX, QONNX
from intinfer_converters.sources import SUFFIXES

TEXT = (Path(intinfer.__file__).parent / "spec" / "sources.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))


def section(start: str) -> tuple[str, str]:
    """Heading and body of the section."""
    return next((head, body) for head, body in SECTIONS.items() if head.startswith(start))


@pytest.mark.parametrize(
    ("start", "names"),
    [
        ("ONNX, standard", set(ONNX)),
        ("ONNX, domains", set(QONNX)),
        ("ONNX, domain `com", set(MICROSOFT)),
        ("ATen", (set(HANDLERS) - set(ours.HANDLERS)) | set(MOVING) | set(REFUSED_OPS)),
    ],
)
def test_the_listed_operators(start: str, names: set[str]) -> None:
    listed = re.findall(r"`([^`]+)`", section(start)[1])
    beside = {"Constant", "If", "--cut", "qonnx.custom_op.channels_last", "torch.export.save"}
    assert set(listed) - beside == names
    assert sorted(set(listed)) == sorted(listed), "an operator is listed twice"


def test_the_listed_domains_and_options() -> None:
    assert set(re.findall(r"`([\w.]+)`", section("ONNX, domains")[0])) | {"com.microsoft"} == set(CUSTOM)
    from intinfer.cli import main

    known = set(re.findall(r"--[a-z-]+", _help(main)))
    assert set(re.findall(r"--[a-z][a-z-]+", TEXT)) <= known
    assert all(suffix in _help(main) for suffix in SUFFIXES)


def _help(main) -> str:
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["convert", "--help"]) == 0
    return out.getvalue()
