"""What a training run reads and writes: augmented batches, and what is measured on images; the checkpoint (a plain
state_dict) and the resume file, both written atomically.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from intinfer.errors import MalformedError
from intinfer.files.atomic import write_file
from intinfer_converters.checkpoint import loaded

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
    """The path OUT.resume.pt, beside the checkpoint OUT."""
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
    """Write OUT.resume.pt anew, atomically."""
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
        content: Any = loaded(data)
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


def check_images(images: NDArray[np.uint8], labels: NDArray[np.integer[Any]], what: str) -> tuple[Tensor, Tensor]:
    """Tensors of images, uint8 (N, H, W, 3), and labels, integers (N,). Raises TrainError for others."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise TrainError(f"{what} images are {images.dtype} {images.shape}; needed: uint8 (N, H, W, 3)")
    if len(images) == 0:
        raise TrainError(f"there are no {what} images")
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise TrainError(
            f"{what} labels are {labels.dtype} {labels.shape}; needed: integers ({len(images)},), one an image"
        )
    return torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(labels.astype(np.int64))


def check_fit(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    """TrainError when images (uint8, N H W 3) or labels do not fit the network; one forward pass of one image."""
    arguments, (height, width) = getattr(model, "arguments", None), images.shape[1:3]
    wanted = (getattr(arguments, "height", height), getattr(arguments, "width", width))
    if wanted != (height, width):
        raise TrainError(
            f"the images are {height}x{width} pixels (height x width), the network is for {wanted[0]}x{wanted[1]}; "
            f"build it with height={height},width={width}"
        )
    model.eval()
    with torch.no_grad():
        classes = model(pixels_to_input(images[:1])).shape[1]
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= classes:
        raise TrainError(
            f"labels run from {lowest} to {highest}, the network has the classes 0 to {classes - 1}; "
            "build it with more classes or renumber the labels"
        )


def pixels_to_input(images: Tensor) -> Tensor:
    """uint8 (N, H, W, 3) -> float32 (N, 3, H, W) of the raw pixels 0..255, channels-last in memory."""
    return images.permute(0, 3, 1, 2).float()


class Batches:
    """Augmented training batches: random crop of the zero-padded image, random flip, all by tensor indexing."""

    def __init__(self, images: Tensor, labels: Tensor, batch: int, pad: int, flip: bool) -> None:
        self.labels = labels
        self.height, self.width = images.shape[1:3]
        self.padded = functional.pad(images, (0, 0, pad, pad, pad, pad))
        self.batch, self.pad, self.flip = batch, pad, flip
        self.count = len(images) // batch

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Shuffled batches; an incomplete last batch is left out."""
        total, offsets = len(self.labels), 2 * self.pad + 1
        order = torch.randperm(total, generator=generator)
        top = torch.randint(0, offsets, (total,), generator=generator)
        left = torch.randint(0, offsets, (total,), generator=generator)
        flip = torch.rand(total, generator=generator) < (0.5 if self.flip else 0.0)
        rows, columns = torch.arange(self.height), torch.arange(self.width)
        for start in range(0, self.count * self.batch, self.batch):
            pick = order[start : start + self.batch]
            row = top[pick, None] + rows
            column = left[pick, None] + torch.where(flip[pick, None], columns.flip(0), columns)
            images = self.padded[pick[:, None, None], row[:, :, None], column[:, None, :]]
            yield pixels_to_input(images), self.labels[pick]


def reestimate_batch_norm(model: nn.Module, images: Tensor, batch: int = 500) -> None:
    """Replace every batch norm's running statistics by the average over `images` (uint8, N H W 3), in float32.

    The forward pass is the model's current form (quantised after training); no gradient, no augmentation.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    model.train()
    with torch.no_grad():
        for start in range(0, len(images), batch):
            model(pixels_to_input(images[start : start + batch]))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor, batch: int = 500) -> float:
    """Share of `images` (uint8, N H W 3) whose argmax, lowest index on ties, is the label; in 0..1."""
    model.eval()
    right = 0
    for start in range(0, len(images), batch):
        logits = model(pixels_to_input(images[start : start + batch]))
        right += int((logits.argmax(1) == labels[start : start + batch]).sum())
    return right / max(len(images), 1)
