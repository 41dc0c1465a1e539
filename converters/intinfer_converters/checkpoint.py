"""Checkpoint files: a plain state_dict, `.pt` / `.pth` or `.safetensors`, into a network of `nets`.

Nothing in the file is executed: `.pt` is read with `weights_only=True`, and what that refuses is refused.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from intinfer.errors import DataError
from intinfer.files.foreign import check_archive

from .nets import build, canonical

MAX_LISTED = 3
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
    problems = [f"key {key!r} is missing" for key in wanted if key not in state]
    problems += [f"key {key!r} is not one of {net}'s" for key in state if key not in wanted]
    problems += [
        f"{key!r} has shape {tuple(state[key].shape)}, {net} needs {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    if problems:
        more = f" and {len(problems) - MAX_LISTED} more" if len(problems) > MAX_LISTED else ""
        raise DataError(
            f"{path}: {'; '.join(problems[:MAX_LISTED])}{more}; give --net the arguments it was trained with"
        )
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
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch warns about odd pickles; they are refused below
                state = torch.load(path, map_location="cpu", weights_only=True)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # a foreign parser on a foreign file: any exception means the same
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        if type(error).__name__ == "UnpicklingError":  # torch's own text advises to load the file with code in it
            first_line = "damaged, or with more in it than tensors, which is not loaded"
        raise DataError(
            f"{path}: not a plain state_dict ({first_line[:160]}); save it with torch.save(model.state_dict(), ...) "
            "or safetensors"
        ) from None
    tensors = isinstance(state, dict) and all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in state.items()
    )
    if not tensors or not state:
        raise DataError(f"{path}: holds {type(state).__name__}, not a state_dict of named tensors")
    return dict(state)
