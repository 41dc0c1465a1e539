"""Causes that no type holds: a weight beyond its code is named as such, a pad value beyond the input's type never."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from diagnose_convs import act, changed, designed, sat7, weight, wrap5
from diagnose_nets import told


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("range")


WEIGHTS: dict[str, tuple[str, str, Callable[..., Any] | None, tuple[int, int, int, int], int, str]] = {
    "ternary": ("plain", "conv", None, (2, 1, 0, 2), 2, "ternary"),
    "ternary behind thresholds": ("plain", "act", act, (1, 3, 1, 2), -2, "ternary"),
    "binary": ("depthwise", "dw", wrap5, (3, 0, 2, 1), -2, "binary"),
    "8 bits": ("pointwise", "conv", None, (6, 9, 0, 0), -200, "s8"),
    "4 bits, saturating": ("grouped", "conv", None, (5, 2, 2, 1), 11, "s4"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_weight_beyond_its_code_is_named(folder: Path, name: str) -> None:
    net, node, after, place, value, code = WEIGHTS[name]
    faults = {"w": changed(place, value)} | ({"step": sat7} if net == "grouped" else {})
    at = ",".join(map(str, place))
    conv = "dw" if net == "depthwise" else "conv"
    cause = f"{conv}: weight[{at}] is {value}, not {weight(net, *place)}, which {code} cannot hold"
    assert cause in told(folder, net, node, designed(net, after, **faults)).causes


def test_a_weight_of_its_code_is_told_before_others(folder: Path) -> None:
    own = weight("plain", 1, 3, 1, 2)
    faulty = designed("plain", act, w=changed((1, 3, 1, 2), -own or 1))
    causes = told(folder, "plain", "act", faulty).causes
    assert any(cause.startswith(f"conv: weight[1,3,1,2] is {-own or 1}, not") for cause in causes)
    assert not any("cannot hold" in cause for cause in causes)


@pytest.mark.parametrize(("net", "node", "after"), [("plain", "conv", None), ("plain", "act", act)])
@pytest.mark.parametrize(("pad", "held"), [(-4, False), (9, False), (5, True), (7, True)])
def test_a_pad_value_is_one_of_the_input_type(
    folder: Path, net: str, node: str, after: Callable[..., Any] | None, pad: int, held: bool
) -> None:
    """The input is of 0..7: no memory of it gives -4 or 9."""
    causes = told(folder, net, node, designed(net, after, pad=pad)).causes
    assert (f"conv: the pad value is {pad}, not 0" in causes) == held, causes
    assert held or not any("pad value" in cause for cause in causes), causes
