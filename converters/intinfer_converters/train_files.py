"""The files of a training run: the checkpoint (a plain state_dict) and the resume file, both written atomically."""

from __future__ import annotations

import io
import os
import warnings
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from intinfer.errors import MalformedError
from intinfer.files.atomic import write_file

__all__ = [
    "ResumeState",
    "TrainError",
    "check_output",
    "describe_run",
    "read_resume",
    "resume_path",
    "save_state_dict",
    "write_resume",
]

RESUME_FORMAT = 1


class TrainError(MalformedError):
    """Training cannot start, continue or write its result; the message says why and what to do."""


@dataclass(frozen=True)
class ResumeState:
    """What a run needs to continue after a kill. `history` has one list an epoch done."""

    model: dict[str, Any]
    optimizer: dict[str, Any]
    generator: Tensor
    history: list[list[Any]]


def check_output(path: Path) -> None:
    """Refuse, before any training, a checkpoint path that cannot be written."""
    if path.suffix not in (".pt", ".safetensors"):
        raise TrainError(f"{path}: a checkpoint is a .pt or a .safetensors file; give the output one of these names")
    if not path.parent.is_dir():
        raise TrainError(f"{path}: the folder {path.parent} does not exist; create it first")
    if path.is_dir():
        raise TrainError(f"{path}: is a folder; give a file name")
    if not os.access(path.parent, os.W_OK):
        raise TrainError(f"{path}: the folder {path.parent} is not writable; give another one")


def resume_path(path: Path) -> Path:
    """OUT.resume.pt beside the checkpoint OUT."""
    return path.with_name(path.name + ".resume.pt")


def save_state_dict(model: nn.Module, path: Path) -> None:
    """Write the model's tensors, contiguous, as .pt (torch.save of tensors only) or .safetensors."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if path.suffix == ".safetensors":
        from safetensors.torch import save

        write_file(path, save(tensors))  # its save_file would make a file that only its owner can read
    else:
        write_file(path, _saved(tensors))


def describe_run(
    model: nn.Module, config: Any, images: NDArray[np.uint8], labels: NDArray[np.integer[Any]]
) -> dict[str, str]:
    """What must be equal for a resume: every field of the config, the network's structure, the training data."""
    identity = {name: repr(value) for name, value in asdict(config).items()}
    shapes = ";".join(f"{name}{tuple(tensor.shape)}" for name, tensor in model.state_dict().items())
    identity["network"] = f"{zlib.crc32((shapes + repr(model)).encode()):08x}"
    identity["training data"] = f"{zlib.crc32(images.tobytes()):08x}{zlib.crc32(labels.tobytes()):08x}"
    return identity


def write_resume(path: Path, identity: dict[str, str], state: ResumeState) -> None:
    """Write OUT.resume.pt."""
    content = {"format": RESUME_FORMAT, "identity": identity, **vars(state)}
    write_file(resume_path(path), _saved(content))


def _saved(content: dict[str, Any]) -> bytes:
    """What torch.save writes; on a full disk it would raise no OSError itself."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def read_resume(path: Path, identity: dict[str, str]) -> ResumeState | None:
    """The state in OUT.resume.pt, None when there is none.

    Read with weights_only, so the file can run no code. TrainError when it is unreadable or of another run.
    """
    resume = resume_path(path)
    if not resume.exists():
        return None
    data = io.BytesIO(resume.read_bytes())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about odd pickles; they are refused below
            content = torch.load(data, map_location="cpu", weights_only=True)
        state = ResumeState(*(content[name] for name in ("model", "optimizer", "generator", "history")))
        version, found = content["format"], dict(content["identity"])
    except Exception as error:  # a damaged file makes torch's unpickler raise nearly anything
        raise TrainError(
            f"{resume} is not a resume file of this program ({type(error).__name__}); delete it to start again"
        ) from error
    if version != RESUME_FORMAT:
        raise TrainError(f"{resume} has format {version}, this program reads {RESUME_FORMAT}; delete it to start again")
    different = [key for key in identity if found.get(key) != identity[key]]
    if different:
        pairs = ", ".join(f"{key} was {found.get(key)}, now {identity[key]}" for key in different)
        raise TrainError(f"{resume} belongs to another run: {pairs}; use the same settings or delete it to start again")
    return state
