"""`--factory`: the user's own code builds the module; the checkpoint is data only."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from intinfer.errors import DataError
from intinfer_converters.checkpoint import build_module

CODE = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.drop = nn.Dropout()

    def forward(self, x):
        return self.drop(self.fc(x))

def build():
    return Net()

def broken():
    raise RuntimeError("no weights for you\\nsecond line")

def number():
    return 7

value = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    package = tmp_path / "usercode_nets"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "small.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    import sys

    for name in [name for name in sys.modules if name.startswith("usercode_nets")]:
        del sys.modules[name]


def saved(path, **tensors):
    torch.save(tensors, path)
    return path


STATE = {"fc.weight": torch.arange(6.0).reshape(2, 3), "fc.bias": torch.tensor([1.0, -1.0])}


@pytest.mark.parametrize("name", ["build", "Net"])
def test_the_module_has_the_checkpoint_and_is_in_inference_mode(folder, capsys, name):
    module = build_module(f"usercode_nets.small:{name}", saved(folder / "m.pt", **STATE))
    assert isinstance(module, nn.Module)
    assert not any(part.training for part in module.modules())
    assert all(torch.equal(tensor, STATE[key]) for key, tensor in module.state_dict().items())
    assert capsys.readouterr().err == f"--factory usercode_nets.small:{name}: running code of that module\n"


def test_without_a_checkpoint_the_module_keeps_its_own(folder):
    assert build_module("usercode_nets.small:build").fc.weight.shape == (2, 3)


WRONG = {
    "usercode_nets.small.build": r"package\.module:function is needed",
    "os;system:x": r"package\.module:function is needed",
    "usercode_nets.absent:build": "ModuleNotFoundError: No module named 'usercode_nets.absent'",
    "usercode_nets.small:absent": "has no attribute 'absent'",
    "usercode_nets.small:broken": "RuntimeError: no weights for you$",
    "usercode_nets.small:number": r"it returned int, a torch\.nn\.Module is needed",
    "usercode_nets.small:value": "value is int, not a function or class",
}


@pytest.mark.parametrize("factory", WRONG)
def test_a_factory_that_gives_no_module(folder, factory):
    with pytest.raises(DataError, match=f"^--factory .*{WRONG[factory]}"):
        build_module(factory)


def test_a_checkpoint_that_does_not_fit(folder):
    path = saved(folder / "m.pt", **{"fc.weight": STATE["fc.weight"].double(), "extra": torch.zeros(1)})
    with pytest.raises(DataError) as caught:
        build_module("usercode_nets.small:build", path)
    assert str(caught.value) == (
        f"{path}: key 'fc.bias' is missing; key 'extra' is not one of its module's; 'fc.weight' is torch.float64 "
        "(2, 3), the module has torch.float32 (2, 3); give the state_dict of what "
        "--factory usercode_nets.small:build builds"
    )


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_the_checkpoint_runs_no_code(folder):
    target = folder / "exploded"
    path = folder / "m.pt"
    torch.save({"fc.weight": Bomb(target)}, path)
    (folder / "bare.pt").write_bytes(pickle.dumps(Bomb(target)))
    for name in ("m.pt", "bare.pt"):
        with pytest.raises(DataError, match=f"{name}: not a plain state_dict"):
            build_module("usercode_nets.small:build", folder / name)
    assert not target.exists()
