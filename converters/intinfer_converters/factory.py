"""`--factory pkg.mod:function`: a module that the user's own code builds, with a state_dict loaded into it.

This is the one source that runs code of the user's choice, by design, and it says so. The checkpoint is read as safely
as any other.
"""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

from torch import nn

from intinfer.errors import DataError
from intinfer.files.foreign import reason as first_line

from .checkpoint import read_state_dict

MAX_LISTED = 3
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


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
    problems = [f"key {key!r} is missing" for key in wanted if key not in state]
    problems += [f"key {key!r} is not one of its module's" for key in state if key not in wanted]
    problems += [
        f"{key!r} is {state[key].dtype} {tuple(state[key].shape)}, the module has {wanted[key].dtype} "
        f"{tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and (state[key].shape, state[key].dtype) != (wanted[key].shape, wanted[key].dtype)
    ]
    if problems:
        more = f" and {len(problems) - MAX_LISTED} more" if len(problems) > MAX_LISTED else ""
        raise DataError(
            f"{checkpoint}: {'; '.join(problems[:MAX_LISTED])}{more}; give the state_dict of what "
            f"--factory {factory} builds"
        )
    try:
        module.load_state_dict(state)
    except Exception as error:  # the user's own code may take part in loading
        raise DataError(f"{checkpoint}: the module of --factory {factory} refuses it: {first_line(error)}") from None
