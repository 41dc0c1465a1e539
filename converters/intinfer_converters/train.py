"""Quantisation-aware training of the networks in `intinfer_converters.nets`.

The recipe of MDGNet (GRETSI 2023) and MOGNET (AICAS 2022): a float stage, a stage with quantised weights, a
stage with quantised weights and activations; Adam, batch 50, the BTQ step re-estimated once an epoch,
random crops of the image padded by 4, horizontal flips. Before the network is written its batch-norm
statistics are re-estimated on clean training images: the running ones are useless (the accuracy they give
swings by tens of points while the loss falls).
"""

from __future__ import annotations

import copy
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from intinfer_converters.nets import build
from intinfer_converters.nets.layers import Bitshift, QReLU, QuantisedConv2d, TernaryConv2d
from intinfer_converters.train_data import (
    Batches,
    ResumeState,
    TrainError,
    accuracy,
    check_fit,
    check_images,
    check_output,
    describe_run,
    pixels_to_input,
    read_resume,
    reestimate_batch_norm,
    resume_path,
    save_state_dict,
    write_resume,
)

__all__ = [
    "EpochRecord",
    "TrainConfig",
    "TrainError",
    "TrainResult",
    "accuracy",
    "pixels_to_input",
    "reestimate_batch_norm",
    "set_stage",
    "train",
]

STAGES = ("float", "weights", "full")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the result of a training run, together with the network and the images.

    float_epochs, weight_epochs, full_epochs: lengths of the stages; any may be 0.
    schedule: 'cosine', 'linear' or 'constant', from learning_rate to 0 over the whole run, after a linear
    warm-up of warmup_steps. bf16: bfloat16 autocast, except in the last float32_epochs.
    test_every, test_images, test_calibration: how often the training log shows a test accuracy, on how many
    test images, with batch norm re-estimated on how many training images (of a copy).
    calibration_images: training images for the final batch-norm statistics.
    max_zero_filters: a ternary layer with a larger share of all-zero filters gets a smaller BTQ step.
    """

    float_epochs: int = 4
    weight_epochs: int = 12
    full_epochs: int = 44
    batch: int = 50
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    warmup_steps: int = 500
    bf16: bool = False
    float32_epochs: int = 2
    compile: bool = False
    seed: int = 0
    crop_padding: int = 4
    flip: bool = True
    test_every: int = 5
    test_images: int = 2000
    test_calibration: int = 2000
    calibration_images: int = 10000
    max_zero_filters: float = 0.5

    def __post_init__(self) -> None:
        """Refuse values that cannot train; raises TrainError."""
        if self.schedule not in ("cosine", "linear", "constant"):
            raise TrainError(f"schedule={self.schedule!r} is unknown; use cosine, linear or constant")
        if min(self.float_epochs, self.weight_epochs, self.full_epochs) < 0 or self.epochs < 1:
            raise TrainError(
                f"{self.float_epochs} + {self.weight_epochs} + {self.full_epochs} epochs (float, weights, full) "
                "is not a run; none may be negative and one must be 1 or more"
            )
        if self.batch < 2:
            raise TrainError(f"batch={self.batch} is too small for batch norm; use 2 or more")
        if not 0 < self.learning_rate < math.inf:
            what = "infinite" if self.learning_rate == math.inf else "not positive"
            raise TrainError(f"learning_rate={self.learning_rate} is {what}; the papers use 0.001")
        if not 0 <= self.seed < 2**63:
            raise TrainError(f"seed={self.seed} is outside 0..2^63-1")
        if self.crop_padding < 0:
            raise TrainError(f"crop_padding={self.crop_padding} is negative; use 0 for no random crop")

    @property
    def epochs(self) -> int:
        """Epochs of all stages."""
        return self.float_epochs + self.weight_epochs + self.full_epochs

    def stage(self, epoch: int) -> str:
        """'float', 'weights' or 'full' for a 0-based epoch."""
        return STAGES[(epoch >= self.float_epochs) + (epoch >= self.float_epochs + self.weight_epochs)]

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a 0-based step of `steps`."""
        warm = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps > 0 else 1.0
        done = step / max(steps, 1)
        shape = {"cosine": (1 + math.cos(math.pi * done)) / 2, "linear": 1 - done, "constant": 1.0}[self.schedule]
        return self.learning_rate * warm * shape


@dataclass(frozen=True)
class EpochRecord:
    """One line of the training log. Accuracies in 0..1; `test_accuracy` is None where it was not measured."""

    epoch: int
    stage: str
    loss: float
    learning_rate: float
    train_accuracy: float
    test_accuracy: float | None
    seconds: float

    def line(self, epochs: int) -> str:
        """The record as one line of text."""
        test = "" if self.test_accuracy is None else f"  test {self.test_accuracy:.2%} (subset)"
        return (
            f"epoch {self.epoch:3d}/{epochs} {self.stage:7s} loss {self.loss:.4f}  lr {self.learning_rate:.2e}  "
            f"train {self.train_accuracy:.2%}{test}  {self.seconds:.1f} s"
        )


@dataclass(frozen=True)
class TrainResult:
    """What a run gives: the checkpoint's path, the accuracy of exactly that checkpoint, and the log."""

    path: Path
    test_accuracy: float
    test_count: int
    history: tuple[EpochRecord, ...]
    seconds: float


def set_stage(model: nn.Module, stage: str) -> None:
    """Switch every layer to 'float', 'weights' (quantised weights only) or 'full' (everything quantised)."""
    for module in model.modules():
        if isinstance(module, QuantisedConv2d):
            module.quantised = stage != "float"
        elif isinstance(module, QReLU | Bitshift):
            module.quantised = stage == "full"


class _Run:
    """One training run: the model, its optimiser and what has to survive a kill."""

    def __init__(self, model: nn.Module, config: TrainConfig, train_set: tuple[Tensor, Tensor]) -> None:
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.config = config
        self.images = train_set[0]
        self.batches = Batches(*train_set, config.batch, config.crop_padding, config.flip)
        if self.batches.count == 0:
            raise TrainError(f"{len(self.images)} training images do not fill one batch of {config.batch}")
        self.ternary = {n: m for n, m in model.named_modules() if isinstance(m, TernaryConv2d)}
        self.proxies = [m.weight for m in model.modules() if isinstance(m, QuantisedConv2d)]
        self.optimizer = torch.optim.Adam(model.parameters(), config.learning_rate, fused=True)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.forward: Callable[[Tensor], Tensor] = torch.compile(model) if config.compile else model
        self.history: list[EpochRecord] = []

    def update_steps(self, log: Callable[[str], None]) -> None:
        """Re-estimate every BTQ step; one log line for each layer the dead-layer guard had to repair."""
        for name, layer in self.ternary.items():
            repair = layer.update_step(self.config.max_zero_filters)
            if repair:
                log(f"dead-layer guard: {name}: {repair}")

    def epoch(self, epoch: int, bar: tqdm[NoReturn]) -> tuple[float, float, float]:
        """One epoch; returns mean loss, training accuracy, last learning rate."""
        config = self.config
        set_stage(self.model, config.stage(epoch))
        self.model.train()
        steps = config.epochs * self.batches.count
        bf16 = config.bf16 and epoch < config.epochs - config.float32_epochs
        loss_sum, right, rate = torch.zeros(()), torch.zeros((), dtype=torch.int64), 0.0
        for index, (images, labels) in enumerate(self.batches.epoch(self.generator)):
            rate = config.rate(epoch * self.batches.count + index, steps)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = self.forward(images)
            loss = functional.cross_entropy(logits.float(), labels)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            with torch.no_grad():
                for proxies in self.proxies:
                    proxies.clamp_(-1, 1)
                loss_sum += loss.detach()
                right += (logits.argmax(1) == labels).sum()
            bar.update()
        seen = self.batches.count
        return float(loss_sum) / seen, float(right) / (seen * config.batch), rate

    def quick_test(self, test_set: tuple[Tensor, Tensor]) -> float:
        """Accuracy of a copy with re-estimated batch norm, on the first config.test_images test images."""
        clone = copy.deepcopy(self.model)
        reestimate_batch_norm(clone, self.images[: self.config.test_calibration])
        count = self.config.test_images
        return accuracy(clone, test_set[0][:count], test_set[1][:count])

    def state(self) -> ResumeState:
        """What the resume file keeps."""
        history = [list(vars(record).values()) for record in self.history]
        return ResumeState(self.model.state_dict(), self.optimizer.state_dict(), self.generator.get_state(), history)

    def restore(self, state: ResumeState) -> None:
        """Continue from a resume file's state."""
        self.model.load_state_dict(state.model)
        self.optimizer.load_state_dict(state.optimizer)
        self.generator.set_state(state.generator)
        self.history = [EpochRecord(*record) for record in state.history]


@contextmanager
def _reporting(progress: bool, total: int, done: int) -> Iterator[tuple[tqdm[NoReturn], Callable[[str], None]]]:
    """A progress bar on stderr when that is a terminal, and a function that logs one line beside it."""
    with tqdm(total=total, initial=done, unit="batch", disable=None if progress else True) as bar:

        def log(line: str) -> None:
            if progress:
                tqdm.write(line, file=sys.stderr)
                sys.stderr.flush()

        yield bar, log


def train(
    model_or_net_text: nn.Module | str,
    images: NDArray[np.uint8],
    labels: NDArray[np.integer[Any]],
    test_images: NDArray[np.uint8],
    test_labels: NDArray[np.integer[Any]],
    config: TrainConfig,
    out_path: Path | str,
    progress: bool = True,
) -> TrainResult:
    """Train, re-estimate batch norm, and write the state_dict to `out_path` (.pt or .safetensors).

    images, test_images: uint8 (N, H, W, 3); labels: integers (N,). A text such as "mognet:n=32,g=4,k=3" is
    built with config.seed. After every epoch the state goes to OUT.resume.pt; a run that finds one continues
    it, and refuses (TrainError) one of another network, configuration or data. The same arguments on the
    same machine give the same file. With `progress`, one line an epoch on stderr.
    """
    begin, out = time.monotonic(), Path(out_path)
    check_output(out)
    train_set = check_images(images, labels, "training")
    test_set = check_images(test_images, test_labels, "test")
    if isinstance(model_or_net_text, str):
        torch.manual_seed(config.seed)
    model = build(model_or_net_text) if isinstance(model_or_net_text, str) else model_or_net_text
    check_fit(model, *train_set)
    check_fit(model, *test_set)
    run = _Run(model, config, train_set)
    identity = describe_run(model, config, images, labels)
    saved = read_resume(out, identity)
    if saved is not None:
        run.restore(saved)
    done, count = len(run.history), run.batches.count
    with _reporting(progress, config.epochs * count, done * count) as (bar, log):
        if done:
            log(f"resuming after epoch {done} from {resume_path(out)}")
        for epoch in range(done, config.epochs):
            _train_epoch(run, epoch, test_set, bar, log)
            write_resume(out, identity, run.state())
        result = _finish(run, test_set, out, begin)
        log(f"test {result.test_accuracy:.2%} of {result.test_count} images, everything quantised; wrote {out}")
    resume_path(out).unlink(missing_ok=True)
    return result


def _train_epoch(
    run: _Run, epoch: int, test_set: tuple[Tensor, Tensor], bar: tqdm[NoReturn], log: Callable[[str], None]
) -> None:
    """One epoch with its log line."""
    config, start = run.config, time.monotonic()
    run.update_steps(log)
    loss, train_accuracy, rate = run.epoch(epoch, bar)
    if not math.isfinite(loss):
        raise TrainError(
            f"the loss of epoch {epoch + 1} is {loss}, with a learning rate of {config.learning_rate}; start again "
            "with a smaller one"
        )
    tested = config.test_every > 0 and (epoch + 1) % config.test_every == 0
    test_accuracy = run.quick_test(test_set) if tested else None
    seconds = time.monotonic() - start
    record = EpochRecord(epoch + 1, config.stage(epoch), loss, rate, train_accuracy, test_accuracy, seconds)
    run.history.append(record)
    log(record.line(config.epochs))


def _finish(run: _Run, test_set: tuple[Tensor, Tensor], out: Path, begin: float) -> TrainResult:
    """Quantise everything, re-estimate batch norm on clean images, measure, write."""
    set_stage(run.model, "full")
    reestimate_batch_norm(run.model, run.images[: run.config.calibration_images])
    score = accuracy(run.model, *test_set)
    save_state_dict(run.model, out)
    return TrainResult(out, score, len(test_set[0]), tuple(run.history), time.monotonic() - begin)
