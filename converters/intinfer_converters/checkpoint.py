"""Checkpoint files: a plain state_dict, `.pt` / `.pth` or `.safetensors`, into a network of `nets` or of the user.

Nothing in the file is executed: `.pt` is read with `weights_only=True`, and what that refuses is refused. A module that
the user's own code builds, `--factory pkg.mod:function`, is the one source that runs code of the user's choice, by
design, and it says so.
"""

from __future__ import annotations

import importlib
import re
import sys
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

import torch
from torch import nn

from intinfer.errors import DataError
from intinfer.files.foreign import check_archive
from intinfer.files.foreign import reason as first_line

from .nets import build, canonical
from .sources import listed

NET_KEY = "net"
MAX_NET_TEXT = 1000


def load_net(path: str | Path, net: str) -> nn.Module:
    """The network `net` with the checkpoint's parameters.

    Raises:
        DataError: the file is missing or not a state_dict, its keys and shapes are not those of `net`, or it says that
            it was trained as another network.
        NetArgumentError: `net` names no network.
    """
    module = build(net)
    state = read_state_dict(path)
    _check_net(path, net, state.pop(NET_KEY, None))
    wanted = {key: tensor for key, tensor in module.state_dict().items() if key != NET_KEY}
    problems = _other_keys(state, wanted, net)
    problems += [
        f"{key!r} has shape {tuple(state[key].shape)}, {net} needs {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    if problems:
        raise DataError(f"{path}: {listed(problems)}; give --net the arguments it was trained with")
    wrong = [key for key in wanted if state[key].dtype != wanted[key].dtype]
    if wrong:
        raise DataError(
            f"{path}: {wrong[0]!r} has dtype {state[wrong[0]].dtype}, {wanted[wrong[0]].dtype} is needed; save the "
            "state_dict of the float32 model"
        )
    try:
        module.load_state_dict({**state, NET_KEY: module.state_dict()[NET_KEY]})
    except ValueError as error:  # a layer refuses its values: a rule-30 seed of only zeros
        raise DataError(f"{path}: {_refusing_layer(module, state)}{error}") from None
    return module.eval()


def _other_keys(state: Collection[str], wanted: Collection[str], owner: str) -> list[str]:
    """What keys a checkpoint lacks, and which are none of the `owner`'s."""
    missing = [f"key {key!r} is missing" for key in wanted if key not in state]
    return missing + [f"key {key!r} is not one of {owner}'s" for key in state if key not in wanted]


def _check_net(path: str | Path, net: str, stored: torch.Tensor | None) -> None:
    """Refuse a checkpoint that says it is of another network. One that says nothing is taken at `net`'s word."""
    if stored is None:
        return
    known = canonical(net)
    if stored.dtype != torch.uint8 or stored.ndim != 1 or stored.numel() > MAX_NET_TEXT:
        raise DataError(f"{path}: key {NET_KEY!r} is {stored.dtype} {tuple(stored.shape)}, not the text of a network")
    found = bytes(stored.tolist()).decode("ascii", "backslashreplace")
    if found != known:
        theirs, ours = (text.partition(":")[2].split(",") for text in (found, known))
        different = [pair for pair in theirs if pair and pair not in ours] or [found]
        raise DataError(
            f"{path}: was trained with {', '.join(different)}, --net {net} says otherwise; give --net {found}"
        )


def _refusing_layer(module: nn.Module, state: dict[str, torch.Tensor]) -> str:
    """The first layer that refuses its part of `state`, as "NAME: "; nothing when only the whole is refused."""
    for name, layer in module.named_modules():
        own = {key.removeprefix(f"{name}."): state[key] for key in state if key.startswith(f"{name}.")}
        if name and not any(layer.children()):
            try:
                layer.load_state_dict(own)
            except ValueError:
                return f"{name}: "
    return ""


def read_state_dict(path: str | Path) -> dict[str, torch.Tensor]:
    """Key -> tensor of a `.pt`, `.pth` or `.safetensors` file. Raises DataError."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: {'is not a regular file' if path.exists() else 'no such file'}")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            check_archive(path, "save it with torch.save(model.state_dict(), ...), which does not compress")
            state = loaded(path)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # a foreign parser on a foreign file: any exception means the same
        raise DataError(
            f"{path}: not a plain state_dict ({unread(error)}); save it with torch.save(model.state_dict(), ...) "
            "or safetensors"
        ) from None
    tensors = isinstance(state, dict) and all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in state.items()
    )
    if not tensors or not state:
        raise DataError(f"{path}: holds {type(state).__name__}, not a state_dict of named tensors")
    return dict(state)


_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


def loaded(file: Path | IO[bytes]) -> object:
    """What torch.save wrote: tensors and plain containers only, no code in it is run. Raises anything."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns about odd pickles; who calls refuses them
        return torch.load(file, map_location="cpu", weights_only=True)


def unread(error: Exception) -> str:
    """Why `loaded` fails; torch's own text may advise to load a file with code in it."""
    if type(error).__name__ == "UnpicklingError":
        return "damaged, or with more in it than tensors, which is not loaded"
    return first_line(error)


def build_module(factory: str, checkpoint: str | Path | None = None) -> nn.Module:
    """The module that `factory()` returns, in inference mode, with the checkpoint's parameters.

    Args:
        factory: "pkg.mod:function", importable from the working folder or the installed packages.
        checkpoint: a state_dict: `.pt`, `.pth` or `.safetensors`; None keeps what the function gave.

    Raises:
        DataError: it cannot be imported or called, or returns no module, or the checkpoint does not fit it.
    """
    if not _NAME.fullmatch(factory):
        raise DataError(f"--factory {factory[:80]!r}: package.module:function is needed")
    print(f"--factory {factory}: running code of that module", file=sys.stderr)
    module = _call(factory)
    if checkpoint is not None:
        _load(module, factory, checkpoint)
    return module.eval()


def _call(factory: str) -> nn.Module:
    where, _, name = factory.partition(":")
    before = list(sys.path)
    try:
        sys.path.insert(0, str(Path.cwd()))
        found: object = importlib.import_module(where)
        for part in name.split("."):
            found = getattr(found, part)
        if not callable(found):
            raise DataError(f"--factory {factory}: {name} is {type(found).__name__}, not a function or class")
        module = found()
    except DataError:
        raise
    except Exception as error:  # the user's own code: anything may come out of it
        raise DataError(f"--factory {factory}: {type(error).__name__}: {first_line(error)}") from None
    finally:
        sys.path[:] = before
    if not isinstance(module, nn.Module):
        raise DataError(f"--factory {factory}: it returned {type(module).__name__}, a torch.nn.Module is needed")
    return module


def _load(module: nn.Module, factory: str, checkpoint: str | Path) -> None:
    """Load every key, and no other, in its own shape and type."""
    state, wanted = read_state_dict(checkpoint), module.state_dict()
    problems = _other_keys(state, wanted, "its module")
    problems += [
        f"{key!r} is {state[key].dtype} {tuple(state[key].shape)}, the module has {wanted[key].dtype} "
        f"{tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and (state[key].shape, state[key].dtype) != (wanted[key].shape, wanted[key].dtype)
    ]
    if problems:
        raise DataError(f"{checkpoint}: {listed(problems)}; give the state_dict of what --factory {factory} builds")
    try:
        module.load_state_dict(state)
    except Exception as error:  # the user's own code may take part in loading
        raise DataError(f"{checkpoint}: the module of --factory {factory} refuses it: {first_line(error)}") from None
