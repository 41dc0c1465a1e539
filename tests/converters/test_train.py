"""The training recipe: batches, schedule, resume, guards and the files it writes."""

import functools
import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from intinfer_converters import train as T  # noqa: N812
from intinfer_converters.nets import build
from intinfer_converters.nets.layers import Bitshift, QReLU, QuantisedConv2d, TernaryConv2d
from intinfer_converters.train_data import Batches

NET = "mognet:n=8,g=2,k=2,classes=3,height=8,width=8,layout=1m,pool=1"
CONFIG = T.TrainConfig(
    float_epochs=1, weight_epochs=1, full_epochs=2, batch=16, learning_rate=0.01, warmup_steps=4,
    crop_padding=1, test_every=2, test_images=32, test_calibration=64, calibration_images=64,
)  # fmt: skip


def coloured(count, seed):
    """Noisy images whose class is their strongest colour."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    images = random.integers(0, 128, (count, 8, 8, 3))
    images[np.arange(count), :, :, labels] += 100
    return images.astype(np.uint8), labels


def run(out, net=NET, config=CONFIG, count=96, progress=False):
    return T.train(net, *coloured(count, 1), *coloured(48, 2), config, out, progress=progress)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def load(path):
    return torch.load(path, weights_only=True)


# --- batches, schedule, stages ---------------------------------------------------------------------------------------


def test_batches_are_crops_and_flips_of_the_padded_images():
    images = np.random.default_rng(0).integers(1, 256, (11, 5, 4, 3), dtype=np.uint8)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    batches = Batches(torch.from_numpy(images), torch.arange(11), 4, 2, True)
    seen, ways = [], set()
    generator = torch.Generator().manual_seed(3)
    for _ in range(8):
        for x, labels in batches.epoch(generator):
            assert x.shape == (4, 3, 5, 4)
            assert x.dtype == torch.float32
            seen += labels.tolist()
            for picture, label in zip(x.permute(0, 2, 3, 1).numpy(), labels.tolist(), strict=True):
                found = [
                    (top, left, flip)
                    for top in range(5)
                    for left in range(5)
                    for flip in (1, -1)
                    if np.array_equal(picture, padded[label, top : top + 5, left : left + 4][:, ::flip])
                ]
                assert len(found) == 1
                ways.add(found[0])
    assert len(seen) == 8 * 8  # 11 images: two full batches of 4 an epoch
    assert all(len(set(seen[i : i + 8])) == 8 for i in range(0, 64, 8))
    assert {way[0] for way in ways} == {way[1] for way in ways} == set(range(5))
    assert {way[2] for way in ways} == {1, -1}


def test_batches_without_augmentation_are_the_images():
    images = torch.arange(4 * 2 * 2 * 3, dtype=torch.uint8).reshape(4, 2, 2, 3)
    (batch,) = Batches(images, torch.arange(4), 4, 0, False).epoch(torch.Generator())
    assert torch.equal(batch[0], images[batch[1]].permute(0, 3, 1, 2).float())


def test_stages_and_rates():
    config = T.TrainConfig(float_epochs=1, weight_epochs=2, full_epochs=1, learning_rate=0.8, warmup_steps=0)
    assert [config.stage(epoch) for epoch in range(4)] == ["float", "weights", "weights", "full"]
    assert [config.rate(step, 4) for step in range(5)] == pytest.approx([0.8, 0.682842712, 0.4, 0.117157288, 0])
    linear = replace(config, schedule="linear")
    assert [linear.rate(step, 4) for step in range(5)] == pytest.approx([0.8, 0.6, 0.4, 0.2, 0])
    warm = replace(config, schedule="constant", warmup_steps=4)
    assert [warm.rate(step, 9) for step in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8])


def test_set_stage():
    net = build(NET)
    for stage, weights, activations in (("float", 0, 0), ("weights", 1, 0), ("full", 1, 1)):
        T.set_stage(net, stage)
        assert {m.quantised for m in net.modules() if isinstance(m, QuantisedConv2d)} == {bool(weights)}
        assert {m.quantised for m in net.modules() if isinstance(m, QReLU | Bitshift)} == {bool(activations)}


# --- what a run gives --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("train") / "net.pt"
    return run(out, config=replace(CONFIG, full_epochs=10)), out


def test_learns_and_writes_a_plain_state_dict(finished):
    result, out = finished
    assert result.test_accuracy > 0.9
    assert [record.stage for record in result.history] == ["float", "weights"] + ["full"] * 10
    assert [record.test_accuracy is not None for record in result.history] == [False, True] * 6
    state, net = load(out), build(NET)
    assert list(state) == list(net.state_dict())
    net.load_state_dict(state)
    images, labels = coloured(48, 2)
    assert T.accuracy(net, torch.from_numpy(images), torch.from_numpy(labels)) == result.test_accuracy
    assert all(tensor.is_contiguous() for tensor in state.values())
    assert sorted(path.name for path in out.parent.iterdir()) == ["net.pt"]


def test_batch_norm_statistics_are_those_of_the_clean_images(finished):
    net = build(NET)
    net.load_state_dict(load(finished[1]))
    z = net.conv1(T.pixels_to_input(torch.from_numpy(coloured(96, 1)[0])[:64])).double()
    assert torch.allclose(net.conv1_bn.running_mean.double(), z.mean((0, 2, 3)), rtol=1e-5)
    assert torch.allclose(net.conv1_bn.running_var.double(), z.transpose(0, 1).flatten(1).var(1), rtol=1e-5)


def test_reestimation_keeps_the_momentum():
    net = nn.Sequential(nn.BatchNorm2d(3, momentum=0.3))
    T.reestimate_batch_norm(net, torch.full((5, 2, 2, 3), 7, dtype=torch.uint8), batch=2)
    assert net[0].momentum == 0.3
    assert net[0].running_mean.tolist() == [7, 7, 7]
    assert not net.training


def test_safetensors_hold_the_same_tensors(tmp_path):
    run(tmp_path / "a.pt")
    run(tmp_path / "a.safetensors")
    assert same(load(tmp_path / "a.pt"), load_file(tmp_path / "a.safetensors"))


def test_seed_decides_the_result(tmp_path):
    for name, seed in (("a.pt", 0), ("b.pt", 0), ("c.pt", 1)):
        run(tmp_path / name, config=replace(CONFIG, seed=seed))
    assert same(load(tmp_path / "a.pt"), load(tmp_path / "b.pt"))
    assert not same(load(tmp_path / "a.pt"), load(tmp_path / "c.pt"))


def test_compiled_and_bf16_training_keeps_the_names(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    config = T.TrainConfig(0, 0, 2, batch=16, compile=True, bf16=True, float32_epochs=1, crop_padding=0, flip=False)
    run(tmp_path / "a.pt", config=config)
    assert list(load(tmp_path / "a.pt")) == list(build(NET).state_dict())


def test_proxies_stay_in_range(tmp_path):
    run(tmp_path / "a.pt", config=replace(CONFIG, learning_rate=1.0))
    state = load(tmp_path / "a.pt")
    proxies = torch.cat([state[name].flatten() for name in state if state[name].ndim == 4])
    assert proxies.abs().max() == 1


def test_log_is_one_line_an_epoch(tmp_path, capsys):
    run(tmp_path / "a.pt", progress=True)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    number = r"[0-9.]+"
    for index, stage in enumerate(("float", "weights", "full", "full")):
        test = rf"  test {number}% \(subset\)" if index % 2 else ""
        pattern = (
            rf"epoch   {index + 1}/4 {stage:7s} loss {number}  lr {number}e-0[0-9]  train {number}%{test}  {number} s"
        )
        assert re.fullmatch(pattern, lines[index]), lines[index]
    assert re.fullmatch(rf"test {number}% of 48 images, everything quantised; wrote .*a\.pt", lines[4])
    assert len(lines) == 5
    assert out == ""


def test_silent_without_progress(tmp_path, capfd):
    run(tmp_path / "a.pt")
    assert capfd.readouterr() == ("", "")


def test_dead_layer_guard_names_the_layer(tmp_path, capsys):
    torch.manual_seed(0)
    net = build(NET)
    with torch.no_grad():
        net.s1.mrb.c1.gconv.weight.fill_(0.75)
    T.train(net, *coloured(32, 1), *coloured(16, 2), replace(CONFIG, full_epochs=0), tmp_path / "a.pt")
    first = capsys.readouterr().err.splitlines()[0]
    assert first == (
        "dead-layer guard: s1.mrb.c1.gconv: BTQ step 1.5 leaves 100% of the filters all zero; "
        "limited to 1.49854, now 0%"
    )
    assert isinstance(net.s1.mrb.c1.gconv, TernaryConv2d)


# --- resume ----------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for a kill."""


def killed_after(epochs, out, monkeypatch, **arguments):
    """Run until `epochs` epochs are written, and a part of the next one is trained."""
    real = T._train_epoch

    def interrupted(a_run, epoch, *rest):
        if epoch == epochs:
            next(a_run.batches.epoch(a_run.generator))
            raise Killed
        real(a_run, epoch, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(T, "_train_epoch", interrupted)
        with pytest.raises(Killed):
            run(out, **arguments)


@pytest.mark.parametrize("epochs", [1, 3])
def test_resumed_run_equals_an_uninterrupted_one(tmp_path, monkeypatch, capsys, epochs):
    whole = run(tmp_path / "whole.pt")
    killed_after(epochs, tmp_path / "cut.pt", monkeypatch)
    assert [path.name for path in tmp_path.glob("cut*")] == ["cut.pt.resume.pt"]
    resumed = run(tmp_path / "cut.pt", progress=True)
    assert same(load(tmp_path / "whole.pt"), load(tmp_path / "cut.pt"))
    assert resumed.test_accuracy == whole.test_accuracy
    assert [replace(r, seconds=0) for r in resumed.history] == [replace(r, seconds=0) for r in whole.history]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.pt", "whole.pt"]
    first = capsys.readouterr().err.splitlines()[0]
    assert first == f"resuming after epoch {epochs} from {tmp_path / 'cut.pt.resume.pt'}"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"config": replace(CONFIG, learning_rate=0.02)}, "learning_rate was 0.01, now 0.02"),
        ({"net": NET.replace("k=2", "k=3")}, "network was [0-9a-f]{8}, now [0-9a-f]{8}"),
        ({"count": 80}, "training data was [0-9a-f]{16}, now [0-9a-f]{16}"),
    ],
)
def test_resume_of_another_run_is_refused(tmp_path, monkeypatch, change, says):
    out = tmp_path / "a.pt"
    killed_after(1, out, monkeypatch)
    pattern = (
        rf"^{re.escape(str(out))}\.resume\.pt belongs to another run: {says}; "
        "use the same settings or delete it to start again$"
    )
    with pytest.raises(T.TrainError, match=pattern):
        run(out, **change)


class Bomb:
    """Unpickling it creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def write_bomb(path, target):
    torch.save({"format": 1, "model": Bomb(target)}, path)


def write_plain_pickle(path, target):
    path.write_bytes(pickle.dumps(Bomb(target)))


def write_garbage(path, target):
    path.write_bytes(b"\x80\x02garbage" + bytes(range(256)))


def write_nothing(path, target):
    path.write_bytes(b"")


def write_list(path, target):
    torch.save([1, 2], path)


def write_incomplete(path, target):
    torch.save({"format": 1, "model": {}}, path)


@pytest.mark.parametrize(
    "write", [write_bomb, write_plain_pickle, write_garbage, write_nothing, write_list, write_incomplete]
)
def test_bad_resume_file_is_refused_and_runs_nothing(tmp_path, write):
    out, target = tmp_path / "a.pt", tmp_path / "exploded"
    write(tmp_path / "a.pt.resume.pt", target)
    pattern = (
        rf"^{re.escape(str(out))}\.resume\.pt is not a resume file of this program \([A-Za-z]+\); "
        "delete it to start again$"
    )
    with pytest.raises(T.TrainError, match=pattern):
        run(out)
    assert not target.exists()
    assert not out.exists()


def test_resume_file_of_a_later_format_is_refused(tmp_path, monkeypatch):
    out = tmp_path / "a.pt"
    killed_after(1, out, monkeypatch)
    resume = tmp_path / "a.pt.resume.pt"
    torch.save({**load(resume), "format": 2}, resume)
    with pytest.raises(T.TrainError, match=r"has format 2, this program reads 1; delete it to start again$"):
        run(out)


# --- refusals before any training ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"schedule": "step"}, "schedule='step' is unknown; use cosine, linear or constant"),
        ({"float_epochs": -1}, "-1 + 12 + 44 epochs (float, weights, full) is not a run; none may be negative and "
         "one must be 1 or more"),
        ({"batch": 1}, "batch=1 is too small for batch norm; use 2 or more"),
        ({"learning_rate": float("nan")}, "learning_rate=nan is not positive; the papers use 0.001"),
        ({"learning_rate": float("inf")}, "learning_rate=inf is infinite; the papers use 0.001"),
        ({"seed": -1}, "seed=-1 is outside 0..2^63-1"),
        ({"seed": 2**63}, f"seed={2**63} is outside 0..2^63-1"),
        ({"crop_padding": -1}, "crop_padding=-1 is negative; use 0 for no random crop"),
    ],
)  # fmt: skip
def test_wrong_config(arguments, message):
    with pytest.raises(T.TrainError, match=f"^{re.escape(message)}$"):
        T.TrainConfig(**arguments)


def test_wrong_inputs(tmp_path):
    images, labels = coloured(32, 1)

    def says(message, *data, out=tmp_path / "a.pt", net=NET):
        with pytest.raises(T.TrainError, match=f"^{re.escape(message)}$"):
            T.train(net, *(data or (images, labels)), images, labels, CONFIG, out, progress=False)

    says("training images are float64 (32, 8, 8, 3); needed: uint8 (N, H, W, 3)", images.astype(float), labels)
    says("training labels are int64 (31,); needed: integers (32,), one an image", images, labels[1:])
    says("there are no training images", images[:0], labels[:0])
    says("9 training images do not fill one batch of 16", images[:9], labels[:9])
    says(
        "labels run from 0 to 3, the network has the classes 0 to 2; build it with more classes or renumber the labels",
        images, np.arange(32) % 4,
    )  # fmt: skip
    says(
        "the images are 8x8 pixels (height x width), the network is for 16x8; build it with height=8,width=8",
        net=NET.replace("height=8", "height=16"),
    )
    bad = tmp_path / "a.onnx"
    says(f"{bad}: a checkpoint is a .pt or a .safetensors file; give the output one of these names", out=bad)
    bad = tmp_path / "none" / "a.pt"
    says(f"{bad}: the folder {bad.parent} does not exist; create it first", out=bad)
    assert list(tmp_path.iterdir()) == []
    bad = tmp_path / "a.pt"
    bad.mkdir()
    says(f"{bad}: is a folder; give a file name", out=bad)


def test_a_loss_that_is_not_finite_writes_nothing(tmp_path):
    pattern = r"^the loss of epoch \d is (nan|inf), with a learning rate of 1e\+38; start again with a smaller one$"
    with pytest.raises(T.TrainError, match=pattern):
        run(tmp_path / "a.pt", config=replace(CONFIG, learning_rate=1e38))
    assert not (tmp_path / "a.pt").exists()


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_a_checkpoint_is_as_readable_as_any_new_file(tmp_path, name):
    (tmp_path / "usual").touch()
    T.save_state_dict(build(NET), tmp_path / name)
    assert (tmp_path / name).stat().st_mode == (tmp_path / "usual").stat().st_mode
