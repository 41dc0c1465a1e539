"""Source files of every kind: how each is read, what of its options a model remembers, and how `check` runs it.

.onnx                    read_onnx      ONNX Runtime
.pt2                     read_aten      the exported graph in torch
.pt .pth .th .safetensors with a network of ours or a factory: exported by torch.export, then as .pt2
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from intinfer.errors import DataError, IntinferError
from intinfer.types import IntArray

from .nets.arguments import NetArgumentError
from .preprocess import Preprocess
from .symbolic import Reading

if TYPE_CHECKING:
    from .calibrate import CalibrationReport

SHA256 = "checkpoint sha256"
"""Provenance key of the file's hash."""
CHECKPOINTS = (".pt", ".pth", ".th", ".safetensors")
SUFFIXES = (".onnx", ".pt2", *CHECKPOINTS)
MAX_LISTED = 3
OPTIONS = "source options"
"""Provenance key of everything that had to be said besides the file."""


@dataclass(frozen=True)
class Calibration:
    """How floating-point weights become integers: the arguments of `calibrate.quantise`, and its images.

    `images` names files for those who read it; the images themselves are passed beside.
    """

    weights: str
    act_bits: int
    act_range: str = "percentile"
    weight_step: str = "lsq"
    images: str = ""


@dataclass(frozen=True)
class SourceOptions:
    """What has to be known besides the file. `as_text` goes into the model, so that it need not be said again.

    Attributes:
        net: network of ours, as "mognet:n=128,g=4,k=3".
        factory: "pkg.mod:function" that builds the module of a state_dict.
        preprocess: of the input.
        shapes: of inputs whose shape the file leaves open, batch axis (1) first; a factory's input is "input".
        outputs: ONNX tensors to stop at instead of the outputs.
        exact_pixels, approximate_adds: of `lower`.
        calibration: None for sources that are quantised already.
    """

    net: str | None = None
    factory: str | None = None
    preprocess: Preprocess = field(default_factory=Preprocess)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    exact_pixels: bool = False
    approximate_adds: bool = False
    calibration: Calibration | None = None

    @property
    def lowering(self) -> dict[str, Any]:
        """The keyword arguments of `lower`."""
        return {"exact_pixels": self.exact_pixels, "approximate_adds": self.approximate_adds}

    def as_text(self) -> str:
        """JSON of what differs from the default, keys in order."""
        plain, default = asdict(self), asdict(SourceOptions())
        return json.dumps({key: plain[key] for key in sorted(plain) if plain[key] != default[key]}, sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> SourceOptions:
        """The options that `as_text` wrote. Raises DataError for anything else."""
        try:
            plain = json.loads(text)
            known = {f.name for f in fields(cls)}
            if not isinstance(plain, dict) or not set(plain) <= known:
                raise ValueError
            if "preprocess" in plain:
                numbers = plain["preprocess"]
                plain["preprocess"] = Preprocess(
                    **{**numbers, "mean": tuple(numbers["mean"]), "std": tuple(numbers["std"])}
                )
            if plain.get("calibration") is not None:
                plain["calibration"] = Calibration(**plain["calibration"])
            if "shapes" in plain:
                plain["shapes"] = {str(name): tuple(map(int, shape)) for name, shape in plain["shapes"].items()}
            return cls(**{**plain, "outputs": tuple(plain.get("outputs", ()))})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise DataError(f"its {OPTIONS!r} ({text[:60]!r}...) are not such; give the options again") from None


class Source:
    """A source file that was read.

    Attributes:
        path: the file.
        options: as given.
        reading: its float net, as it is in the file until `calibrate`.
        report: of the calibration, None before it.
    """

    def __init__(self, path: str | Path, options: SourceOptions) -> None:
        """Read it.

        Raises:
            DataError: the file, or options that do not fit it; one line that names the file.
        """
        self.path = Path(path)
        self.options = options
        self.report: CalibrationReport | None = None
        self._module: Any = None
        self._program: Any = None
        need_kind(self.path, options)
        try:
            self.reading = self._read()
        except NetArgumentError:
            raise
        except IntinferError as error:
            raise named(self.path, error) from None

    def _read(self) -> Reading:
        options, pixels = self.options, self.options.preprocess
        if self.path.suffix == ".onnx":
            from .read_onnx import read_onnx

            return read_onnx(self.path, pixels=pixels, shapes=options.shapes, outputs=options.outputs or None)
        from .read_aten import read_graph

        self._program = self._exported()
        return read_graph(self._program, pixels=pixels, shapes=dict(options.shapes))

    def _exported(self) -> Any:
        """The graph of torch.export: the file's own, or that of the module with the file's parameters."""
        from .checkpoint import build_module, load_net
        from .read_aten import export_layers, export_program, read_program

        if self.options.net is not None:
            self._module = load_net(self.path, self.options.net)
            return export_layers(self._module, self._module.input_shape)
        if self.options.factory is None:
            return read_program(self.path)
        module = build_module(self.options.factory, self.path)
        if len(self.options.shapes) != 1:
            raise DataError("the shape of the factory's input is not known; give --shape input=1,3,32,32")
        (shape,) = self.options.shapes.values()
        return export_program(module, np.zeros(shape, dtype=np.float32))

    def calibrate(self, images: IntArray, labels: IntArray | None = None) -> None:
        """Quantise the weights as the options say, with `images` (N, *input); `labels` (N,) are for the report.

        Raises:
            DataError: images or options that do not fit it; one line that names the file.
        """
        from .calibrate import quantise
        from .check.runner import own_reading

        chosen = self.options.calibration
        assert chosen is not None
        arguments = {key: value for key, value in asdict(chosen).items() if key != "images"}
        numbers = np.asarray(images, dtype=np.int64)
        try:
            quantised, self.report = quantise(self.reading.net, numbers, labels=labels, **arguments)
        except IntinferError as error:
            raise named(self.path, error) from None
        self._module = self._program = None
        self.reading = own_reading(quantised)

    def runner(self, threads: int = 1) -> Any:
        """The source in its own float framework, as `check.Checker` takes it."""
        if self.report is not None:
            from .check.runner import FloatRunner

            return FloatRunner(self.reading.net)
        if self.path.suffix == ".onnx":
            from .check.onnx_runner import runner_of_file

            return runner_of_file(self.path, self.reading, threads)
        from .check.aten_runner import AtenRunner, ModuleRunner

        if self._module is not None:
            return ModuleRunner(self._module, self._program, threads)
        options = self.options
        return AtenRunner(self._program, pixels=options.preprocess, shapes=dict(options.shapes), threads=threads)


def need_kind(path: Path, options: SourceOptions) -> None:
    """Raise DataError unless the file is there, of a known kind, and has what its kind needs and nothing else."""
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path}: unknown file type {path.suffix!r}; known are {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise DataError(f"{path}: {'is not a regular file' if path.exists() else 'no such file'}")
    named_module = (options.net is not None) + (options.factory is not None)
    if path.suffix in CHECKPOINTS and named_module != 1:
        raise DataError(
            f"{path}: holds parameters, not a network: give --net NAME:ARGS of ours, or --factory pkg.mod:function of "
            "yours; or export it (torch.onnx.export, torch.export.save)"
        )
    if path.suffix not in CHECKPOINTS and named_module:
        raise DataError(f"{path}: holds its network itself; leave --net and --factory out")
    if options.net is not None and (options.preprocess != Preprocess() or options.shapes):
        raise DataError(f"{path}: networks of ours know their input; leave its shape, range and preprocessing out")
    if options.outputs and path.suffix != ".onnx":
        raise DataError(f"{path}: outputs are chosen among the tensors of an .onnx file only")


def file_sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of the file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def named(path: str | Path, error: IntinferError) -> DataError:
    """The error with the file's name in front, once."""
    text = str(error)
    return DataError(text if text.startswith(f"{path}: ") else f"{path}: {text}")


def listed(problems: Sequence[str]) -> str:
    """The first problems, and how many more there are."""
    more = f" and {len(problems) - MAX_LISTED} more" if len(problems) > MAX_LISTED else ""
    return "; ".join(problems[:MAX_LISTED]) + more
