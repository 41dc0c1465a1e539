"""The container of torch.export: old and new layouts, and files made to harm."""

import io
import json
import pickle
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from converters.aten_reading import read_pt2
from intinfer.errors import DataError
from intinfer_converters.preprocess import Preprocess
from intinfer_converters.read_aten import read_program

PIXELS = Preprocess(lo=0, hi=255)


class Small(nn.Module):
    """A parameter, a buffer, a buffer that is not saved, a constant."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, bias=False)
        self.conv.weight = nn.Parameter(torch.arange(18.0).reshape(2, 1, 3, 3).permute(0, 1, 3, 2) - 8)
        self.norm = nn.BatchNorm2d(2)
        self.register_buffer("twice", torch.tensor(2.0), persistent=False)
        self.shift = torch.tensor([3.0])

    def forward(self, x):
        return torch.clamp(torch.round(self.norm(self.conv(x)) * self.twice + self.shift), 0, 15)


@pytest.fixture(scope="module")
def saved():
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of weights that are a permutation of their storage
        torch.export.save(torch.export.export(Small().eval(), (torch.zeros(1, 1, 6, 6),)), buffer)
    return buffer.getvalue()


def entries(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path, contents, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def only(contents, ending):
    return next(name for name in contents if name.endswith(ending))


def changed(contents, ending, change):
    """The entries with one JSON document changed."""
    name = only(contents, ending)
    document = json.loads(contents[name])
    change(document)
    return {**contents, name: json.dumps(document).encode()}


def old_layout(contents, tensors):
    """The same network as torch up to 2.6 wrote it."""
    state, constants = io.BytesIO(), io.BytesIO()
    torch.save({k: t for k, t in tensors.items() if k.startswith(("conv", "norm"))}, state)
    torch.save({k: t for k, t in tensors.items() if not k.startswith(("conv", "norm"))}, constants)
    return {
        "version": b"8.2",
        "serialized_exported_program.json": contents[only(contents, "models/model.json")],
        "serialized_state_dict.pt": state.getvalue(),
        "serialized_constants.pt": constants.getvalue(),
    }


def test_every_tensor_has_its_values_and_strides(saved, tmp_path):
    program = read_program(written(tmp_path / "m.pt2", entries(saved)))
    model = Small()
    wanted = {**model.state_dict(), "twice": model.twice, "shift": model.shift}
    assert {key for key, _ in program.constants.values()} == set(wanted)
    for key, tensor in program.constants.values():
        assert tensor.dtype == wanted[key].dtype
        assert torch.equal(tensor, wanted[key])
    assert dict(program.constants.values())["conv.weight"].stride() == (9, 9, 1, 3)
    assert [(x.name, x.shape, x.dtype) for x in program.inputs] == [("x", (1, 1, 6, 6), torch.float32)]
    assert program.nodes[0].path == "conv"


def test_older_layouts_give_the_same_graph(saved, tmp_path):
    contents = entries(saved)
    new = read_program(written(tmp_path / "new.pt2", contents))
    tensors = dict(new.constants.values())
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    between = {"archive/models/model.json": contents[only(contents, "models/model.json")]}
    between["archive/data/weights/model.pt"] = buffer.getvalue()
    for layout in (old_layout(contents, tensors), between):
        old = read_program(written(tmp_path / "old.pt2", layout))
        assert old.nodes == new.nodes
        assert all(torch.equal(old.constants[name][1], new.constants[name][1]) for name in new.constants)


class Bomb:
    """Unpickled by Python or torch without care, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


def bombs(contents, target):
    """Archives with a bomb wherever torch would unpickle something, and the words of their refusal."""
    bare = pickle.dumps(Bomb(target))
    buffer = io.BytesIO()
    torch.save({"conv.weight": Bomb(target)}, buffer)
    packed = buffer.getvalue()
    config = "model_weights_config.json"

    def pickled(document):
        document["config"]["conv.weight"]["use_pickle"] = True

    weight = only(contents, "data/weights/weight_0")
    for bomb, words in ((bare, "not a .pt2 archive"), (packed, "more in it than tensors")):
        yield {**changed(contents, config, pickled), weight: bomb}, words
        yield {**old_layout(contents, {}), "serialized_state_dict.pt": bomb}, words
        yield {**old_layout(contents, {}), "serialized_constants.pt": bomb}, words
    without = {name: content for name, content in contents.items() if not name.endswith("models/model.json")}
    yield {**without, "archive/data/weights/model.pt": packed}, "0 exported programs"


def test_nothing_is_unpickled(saved, tmp_path):
    target = tmp_path / "exploded"
    with torch.serialization.safe_globals([]):
        for number, (contents, words) in enumerate(bombs(entries(saved), target)):
            with pytest.raises(DataError, match=words):
                read_pt2(written(tmp_path / f"{number}.pt2", contents), pixels=PIXELS)
    bare = tmp_path / "bare.pt2"
    bare.write_bytes(pickle.dumps(Bomb(target)))
    with pytest.raises(DataError, match=r"bare\.pt2: not a \.pt2 archive"):
        read_pt2(bare, pixels=PIXELS)
    assert not target.exists()
    pickle.loads(bare.read_bytes())
    assert target.exists()


def test_example_inputs_are_never_opened(saved, tmp_path):
    target = tmp_path / "exploded"
    contents = entries(saved)
    contents[only(contents, "sample_inputs/model.pt")] = pickle.dumps(Bomb(target))
    assert read_pt2(written(tmp_path / "m.pt2", contents), pixels=PIXELS).net.nodes
    assert not target.exists()


def set_meta(key, value):
    def change(document):
        document["config"]["conv.weight"]["tensor_meta"][key] = value

    return change


def sizes(*numbers):
    return [{"as_int": n} for n in numbers]


def graph_change(change):
    return lambda document: change(document["graph_module"])


DAMAGES = {
    "the storage is too short": ("weights_config.json", set_meta("sizes", sizes(9, 1, 3, 3)), "needs 81 elements"),
    "a huge shape": ("weights_config.json", set_meta("sizes", sizes(10**5, 10**5, 1, 1)), "a tensor of 10000000000 el"),
    "expanded from one element": ("weights_config.json", set_meta("strides", sizes(2**40, 0, 0, 0)), "holds 18"),
    "a negative stride": ("weights_config.json", set_meta("strides", sizes(-9, 1, 1, 1)), "is outside 0.."),
    "an element type": ("weights_config.json", set_meta("dtype", 9), "element type 9 is not read"),
    "a path": (
        "weights_config.json",
        lambda d: d["config"]["conv.weight"].update(path_name="../../../etc/passwd"),
        "is missing from its archive",
    ),
    "a tensor that is missing": ("weights_config.json", lambda d: d["config"].pop("norm.bias"), "'norm.bias' is miss"),
    "no graph": ("models/model.json", lambda d: d.pop("graph_module"), "field 'graph_module' is missing"),
    "another version": ("models/model.json", lambda d: d["schema_version"].update(major=99), "schema version is 99"),
    "a value made twice": (
        "models/model.json",
        graph_change(lambda g: g["graph"]["nodes"].append(g["graph"]["nodes"][0])),
        "value 'conv2d' is made twice",
    ),
    "a graph in training": (
        "models/model.json",
        graph_change(lambda g: g["signature"]["output_specs"].append({"buffer_mutation": {}})),
        "buffer mutation",
    ),
    "a custom object": (
        "models/model.json",
        graph_change(lambda g: g["signature"]["input_specs"].append({"custom_obj": {}})),
        "it takes a custom obj",
    ),
    "an output of nothing": (
        "models/model.json",
        graph_change(
            lambda g: g["signature"]["output_specs"][0]["user_output"]["arg"]["as_tensor"].update(name="nothing")
        ),
        "output 'nothing' is no value",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_document_is_refused(saved, tmp_path, name):
    ending, change, words = DAMAGES[name]
    path = written(tmp_path / "m.pt2", changed(entries(saved), ending, change))
    with pytest.raises(DataError, match=rf"^{path}: .*{words}") as caught:
        read_pt2(path, pixels=PIXELS)
    assert "\n" not in str(caught.value)


def test_what_never_grows(saved, tmp_path):
    contents = entries(saved)
    compressed = written(tmp_path / "c.pt2", {**contents, "archive/big": bytes(10**6)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match=r"is compressed; torch\.export\.save writes it uncompressed"):
        read_pt2(compressed, pixels=PIXELS)
    twice = tmp_path / "t.pt2"
    with zipfile.ZipFile(twice, "w") as archive:
        archive.writestr("archive/models/model.json", b"{}")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("archive/models/model.json", b"{}")
    with pytest.raises(DataError, match="two entries of its archive have one name"):
        read_pt2(twice, pixels=PIXELS)
    with pytest.raises(DataError, match="no such file"):
        read_program(tmp_path / "absent.pt2")
    with pytest.raises(DataError, match="is not a regular file"):
        read_program(tmp_path)


def test_two_programs_are_one_too_many(saved, tmp_path):
    contents = entries(saved)
    contents["archive/models/other.json"] = contents[only(contents, "models/model.json")]
    with pytest.raises(DataError, match=r"holds 2 exported programs \(archive/models/model.json, archive/models/other"):
        read_pt2(written(tmp_path / "m.pt2", contents), pixels=PIXELS)


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": NaN}', "{", "[" * 10**5, "1" * 100, "\ufeff{}"])
def test_json_without_benefit_of_the_doubt(tmp_path, text):
    path = written(tmp_path / "m.pt2", {"archive/models/model.json": text.encode()})
    with pytest.raises(DataError, match=r"m\.pt2: archive/models/model\.json: "):
        read_pt2(path, pixels=PIXELS)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_mutated_files_give_a_network_or_one_line(saved, tmp_path_factory, data):
    content = bytearray(saved)
    kind = data.draw(st.sampled_from(["cut", "flip", "text"]))
    if kind == "cut":
        content = content[: data.draw(st.integers(0, len(content)))]
    elif kind == "flip":
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
            content[place] ^= data.draw(st.integers(1, 255))
    else:
        contents = entries(saved)
        name = only(contents, "models/model.json")
        words = [b"as_int", b"as_tensor", b"conv2d", b"clamp", b'"dtype": 7', b"1", b"[", b"6", b"null", b"true"]
        old, new = data.draw(st.sampled_from(words)), data.draw(st.sampled_from([*words, b"-1", b"1000000000", b""]))
        place = data.draw(st.integers(0, 40))
        parts = contents[name].split(old)
        at = min(place, len(parts) - 1)
        contents[name] = old.join(parts[:at]) + (new if at else b"") + old.join(parts[at:])
        path = written(tmp_path_factory.mktemp("fuzz") / "m.pt2", contents)
        content = bytearray(path.read_bytes())
    path = tmp_path_factory.mktemp("fuzz") / "m.pt2"
    path.write_bytes(content)
    text = outcome(path)
    assert text == "" or text.startswith(f"{path}: ")
    assert "\n" not in text


def outcome(path):
    """The refusal of a file; nothing when it is a network after all."""
    try:
        return "" if read_pt2(path, pixels=PIXELS).net.nodes else "no nodes"
    except DataError as error:
        return str(error)
