"""A command imports what it needs: one image is answered by the reference, without Numba and without torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import intinfer

DEMO = Path(intinfer.__file__).parent / "demo"
PROGRAM = """
import json, sys
from intinfer.cli import main
code = main(sys.argv[1:])
names = ("numba", "llvmlite", "torch", "matplotlib", "hypothesis", "onnx", "tqdm", "pylibfst", "cocotb")
heavy = [name for name in names if name in sys.modules]
print(json.dumps([code, heavy]), file=sys.stderr)
"""


def imported(*arguments, program=PROGRAM):
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stderr.splitlines()[-1])


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", DEMO / "mognet.npz", DEMO / "cat.png", "--fit", "resize"),
        ("cost", DEMO / "mognet.npz"),
        ("explain", DEMO / "mognet.npz", DEMO / "cat.png", "--fit", "resize", "--node", "conv1", "--at", "0,0,0"),
        ("--version",),
        ("run", "--help"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_nothing_heavy_is_imported(arguments):
    assert imported(*arguments) == [0, []]


@pytest.mark.parametrize("net", ["mdgnet", "mognet:n=8,last_bits=2"])
def test_the_cost_of_a_network_does_not_load_torch_s_compiler(net):
    """It takes seconds to load, and nothing is compiled."""
    pytest.importorskip("torch")
    program = PROGRAM.replace("names = (", 'names = ("torch._dynamo", "torch._inductor", ')
    code, heavy = imported("cost", "--net", net, program=program)
    assert code == 0
    assert "torch" in heavy
    assert not {"torch._dynamo", "torch._inductor"} & set(heavy)


def test_the_fast_engine_imports_numba_and_gives_the_same_answer(capfd):
    image = ("run", DEMO / "mognet.npz", DEMO / "cat.png", "--fit", "resize", "--json")
    outputs = []
    for engine in ("reference", "fast"):
        done = subprocess.run(
            [sys.executable, "-m", "intinfer", *map(str, image), "--engine", engine],
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.append(json.loads(done.stdout))
    assert outputs[0] == outputs[1]
    assert imported(*image, "--engine", "fast") == [0, ["numba", "llvmlite"]]
