"""Checkpoints from disk: what fits, and every way in which a file does not."""

import io
import os
import pickle
import re
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from intinfer import reference
from intinfer.errors import DataError
from intinfer_converters import convert, convert_checkpoint
from intinfer_converters.nets import NetArgumentError, build

NET = "mognet:n=8,g=2,k=2,height=8,width=8,classes=3"


@pytest.fixture
def module():
    torch.manual_seed(0)
    return build(NET).eval()


@pytest.fixture
def state(module):
    return module.state_dict()


def saved(tmp_path, state, name="net.pt"):
    path = tmp_path / name
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def refusal(path, net=NET):
    with pytest.raises(DataError) as caught:
        convert_checkpoint(path, net)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("name", ["net.pt", "net.pth", "net.safetensors"])
def test_a_checkpoint_gives_the_graph_of_its_module(tmp_path, module, state, name):
    graph = convert_checkpoint(saved(tmp_path, state, name), NET, ["cat", "dog", "frog"])
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 8))
    wanted = reference.trace(convert(module), pixels)
    got = reference.trace(graph, pixels)
    assert wanted.keys() == got.keys()
    assert all(np.array_equal(wanted[key], got[key]) for key in wanted)
    assert graph.classes == ("cat", "dog", "frog")
    assert graph.image.mode == "RGB"
    assert graph.provenance["net"] == NET
    assert re.fullmatch(r"[0-9a-f]{64}", graph.provenance["checkpoint sha256"])


def test_missing_file(tmp_path):
    assert refusal(tmp_path / "none.pt") == "no such file"


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.pt")
    assert refusal(tmp_path / "pipe.pt") == "is not a regular file"


def test_missing_and_foreign_keys_are_named(tmp_path, state):
    del state["s1.cflog.gconv.step"]
    state["extra"] = torch.zeros(1)
    assert refusal(saved(tmp_path, state)) == (
        f"key 's1.cflog.gconv.step' is missing; key 'extra' is not one of {NET}'s; "
        "give --net the arguments it was trained with"
    )


def test_wrong_arguments_show_in_the_shapes(tmp_path, state):
    other = NET.replace("n=8", "n=16")
    del state["net"]
    message = refusal(saved(tmp_path, state), other)
    assert message.startswith(f"'conv1.weight' has shape (8, 3, 3, 3), {other} needs (16, 3, 3, 3); ")
    assert message.endswith(" more; give --net the arguments it was trained with")


def test_wrong_dtype(tmp_path, state):
    state["conv1.weight"] = state["conv1.weight"].double()
    assert refusal(saved(tmp_path, state)) == (
        "'conv1.weight' has dtype torch.float64, torch.float32 is needed; save the state_dict of the float32 model"
    )


def test_unknown_net(tmp_path, state):
    with pytest.raises(
        NetArgumentError, match=r"^unknown network 'mobnet'; known: mdgnet, mognet; write it as in mognet:n="
    ):
        convert_checkpoint(saved(tmp_path, state), "mobnet:n=8")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("s1.cflog.bn.weight", float("nan"), "s1.cflog.bn.weight: element 0 is nan; "),
        ("s2.mrb.c1.bn.running_var", float("inf"), "s2.mrb.c1.bn.running_var: element 0 is inf; "),
        ("conv1.weight", float("-inf"), "conv1.weight: element 0 is -inf; "),
        ("final_bn.bias", float("nan"), "final_bn.bias: element 0 is nan; "),
    ],
)
def test_parameters_that_are_not_finite(tmp_path, state, key, value, message):
    state[key].reshape(-1)[0] = value
    assert refusal(saved(tmp_path, state)) == message + (
        "a network with NaN or infinite parameters has no integer meaning, train it again or restore an earlier "
        "checkpoint"
    )


def test_negative_variance(tmp_path, state):
    state["conv1_bn.running_var"][2] = -1.0
    assert refusal(saved(tmp_path, state)) == "conv1_bn.running_var: variance -1.0 is negative"


@pytest.mark.parametrize("step", [0.0, -1.0])
def test_step_must_be_positive(tmp_path, state, step):
    state["conv1.step"].fill_(step)
    assert refusal(saved(tmp_path, state)) == f"conv1.step is {step}; the BTQ step is one positive number"


@pytest.mark.parametrize("bit", [0, 1])
def test_a_constant_seed_is_refused(tmp_path, state, bit):
    state["s1.cflog.pw2.seed"].fill_(bit)
    assert refusal(saved(tmp_path, state)) == (
        f"s1.cflog.pw2: the rule-30 seed is all {bit}: every later row would be 0; use a mixed one"
    )


class Bomb:
    """Unpickling it would create a file."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (os.system, (f"touch {self.target}",))


@pytest.mark.parametrize("container", ["raw", "raw of Python", "zip"])
@pytest.mark.filterwarnings("error")
def test_a_pickle_bomb_is_not_executed(tmp_path, container):
    target, path = tmp_path / "exploded", tmp_path / "net.pt"
    if container.startswith("raw"):
        path.write_bytes(pickle.dumps({"conv1.weight": Bomb(target)}, protocol=2 if container == "raw" else None))
    else:
        torch.save({"conv1.weight": torch.zeros(1)}, path)
        members = {}
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: archive.read(info) for info in archive.infolist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                bomb = pickle.dumps({"conv1.weight": Bomb(target)}, protocol=2)
                archive.writestr(name, bomb if name.endswith("data.pkl") else data)
    assert refusal(path) == (
        "not a plain state_dict (damaged, or with more in it than tensors, which is not loaded); save it with "
        "torch.save(model.state_dict(), ...) or safetensors"
    )
    assert not target.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [("net.pt", b""), ("net.pt", b"not a checkpoint"), ("net.safetensors", b"\xff" * 64), ("net.safetensors", b"")],
)
def test_garbage(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    assert refusal(path).startswith("not a plain state_dict (")


def test_every_truncation_is_refused(tmp_path, state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    path = tmp_path / "net.pt"
    for part in range(32):
        path.write_bytes(data[: len(data) * part // 32])
        assert refusal(path).startswith("not a plain state_dict (")


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {}, torch.zeros(3)])
def test_other_contents(tmp_path, content):
    path = tmp_path / "net.pt"
    torch.save(content, path)
    assert refusal(path) == f"holds {type(content).__name__}, not a state_dict of named tensors"


def test_unsupported_parts_are_listed_together():
    class Other(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 4, 3)
            self.act = torch.nn.GELU()

        def forward(self, x):
            y = self.conv(x)
            return torch.sigmoid(y) + self.act(y)

    with pytest.raises(DataError) as caught:
        convert(Other(), torch.zeros(1, 3, 8, 8))
    assert str(caught.value).startswith(
        "2 node(s) cannot be converted: sigmoid (aten.sigmoid.default): the op is supported for constants only"
    )
    assert "; gelu (aten.gelu.default in act): " in str(caught.value)


def test_the_input_shape_must_be_known():
    with pytest.raises(DataError, match=r"^the input's shape is not known: pass an example, one image with a batch"):
        convert(torch.nn.Sequential())


def test_an_untraceable_module():
    class Branching(torch.nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(DataError, match=r"^torch\.export cannot export Branching: .* forward without branches on"):
        convert(Branching(), torch.zeros(1, 3, 8, 8))


def test_another_network_of_the_same_shapes_is_refused(tmp_path, state):
    """k, pooling and image size leave no other trace: without `net` in the file, k=3 would convert silently."""
    path = saved(tmp_path, state)
    assert refusal(path, NET.replace("k=2", "k=3")) == (
        "was trained with k=2, --net mognet:n=8,g=2,k=3,height=8,width=8,classes=3 says otherwise; give --net "
        "mognet:n=8,g=2,k=2,classes=3,height=8,width=8,layout=1m-2m-4m-4,pool=123,last_bits=1"
    )
    assert refusal(path, NET + ",pool=12").startswith("was trained with pool=123, --net ")
    assert convert_checkpoint(path, NET + ",seed=5").nodes  # the seed only drew the rows that the file holds
    del state["net"]
    assert convert_checkpoint(saved(tmp_path, state), NET.replace("k=2", "k=3")).nodes  # a foreign state_dict


def test_a_network_text_that_is_none(tmp_path, state):
    state["net"] = torch.zeros((2, 2))
    assert refusal(saved(tmp_path, state)) == "key 'net' is torch.float32 (2, 2), not the text of a network"
    state["net"] = torch.tensor([120, 255], dtype=torch.uint8)
    assert refusal(saved(tmp_path, state)).startswith("was trained with x\\xff, --net ")
