"""`intinfer check MODEL SOURCE`"""

from __future__ import annotations

import argparse
import contextlib
import importlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from intinfer_converters.check import CheckReport
from intinfer_converters.check.checker import Checker
from intinfer_converters.check.examples import check_examples, save_reproducer
from intinfer_converters.check.inputs import GENERATED, generated_images
from intinfer_converters.nets import NetArgumentError, net_arguments
from intinfer_converters.sources import CHECKPOINTS, OPTIONS, SHA256, Source, SourceOptions, file_sha256, need_kind

from ..errors import DataError, IntinferError
from ..graph import Graph
from ..images.pictures import load_pictures
from ..model import load
from ..reports.text import table
from .common import answer, describe, note, positive
from .limits import add_limits, limited
from .sources import SOURCE_HELP, add_source, calibration_images, given_options

REPRODUCER = "check-failure"
"""Provenance key that every model made by `convert` has."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `intinfer check`."""
    describe(
        parser,
        "Run the source in its own float framework and the integer model beside it, on the same images, and\n"
        "compare every node. Each node reads the source's own integers, so one flipped level does not spread. A\n"
        "difference that float32 rounding explains (a derived bound, printed) is a float tie; any other is a\n"
        "mismatch. Exit code 0: no mismatch; 1: at least one, the first of them is printed. What `convert` was told\n"
        "about the source is in the model and need not be said again. Needs onnx and onnxruntime, or torch.\n\n"
        "Without --data: extremes (all 0, all 255, stripes, single pixels in corners), images that put first-layer\n"
        "sums exactly at thresholds and one below, images around TGAP boundaries (best effort), and noise.",
        "intinfer check model.npz net.onnx",
        "intinfer check model.npz net.pt --data cifar10_test.npz --limit 1000 --json",
        "intinfer check model.npz net.pt --examples 200     (needs hypothesis)",
    )
    parser.add_argument("model", metavar="MODEL", help="model file, .npz")
    parser.add_argument("source", metavar="SOURCE", help=SOURCE_HELP)
    parser.add_argument(
        "--calibrate", metavar="IMAGES", help="of a model whose weights were quantised: the images of then, if moved"
    )
    parser.add_argument(
        "--data",
        metavar="IMAGES",
        nargs="+",
        help="an .npz with `images` (N, H, W, C uint8), or image files, or folders of them (default: generated)",
    )
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="the first N images only (generated: N instead of 64)"
    )
    parser.add_argument(
        "--examples",
        type=positive,
        metavar="N",
        help="also draw N images with Hypothesis; a failing one is shrunk and saved with the command that replays it",
    )
    parser.add_argument("--seed", type=int, default=0, help="of generated images and examples (default: 0)")
    parser.add_argument(
        "--reproducer",
        metavar="PREFIX",
        default=REPRODUCER,
        help=f"where --examples saves a failing image: PREFIX.npz and PREFIX.json (default: {REPRODUCER})",
    )
    parser.add_argument("--threads", type=positive, default=1, metavar="N", help="of the framework (default: 1)")
    add_source(parser)
    add_limits(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare a model with its source; 1 for a mismatch that float rounding does not explain."""
    if arguments.seed < 0:
        raise DataError(f"--seed {arguments.seed} is negative; give 0 or more")
    code = limited(arguments, arguments.argv)
    if code is not None:
        return code
    graph = load(arguments.model).graph
    options = _options(arguments, graph)
    same = _same_checkpoint(graph, arguments.source)
    if arguments.examples:
        importlib.import_module("intinfer.strategies")  # that hypothesis is missing is said now, not after the images
    checker = _checker(arguments, graph, options)
    _add_images(checker, arguments)
    document: dict[str, Any] = {"model": arguments.model, "source": arguments.source, "net": options.net}
    document["same_checkpoint"] = same
    if arguments.examples:
        document["reproducer"] = _examples(checker, arguments, options)
    report = checker.report
    return answer(arguments, {**document, **report.as_dict()}, _text(report), 1 if report.mismatches else 0)


def _options(arguments: argparse.Namespace, graph: Graph) -> SourceOptions:
    """What the model says about its source, which the command line may repeat but not contradict."""
    try:
        options = SourceOptions.from_text(graph.provenance.get(OPTIONS, "{}"))
    except DataError as error:
        raise DataError(f"{arguments.model}: {error}") from None
    given = given_options(arguments)
    known, net = graph.provenance.get("net"), given.pop("net", None)
    if known is not None or net is not None:
        options = replace(options, net=_net(arguments.model, known, net))
    if SHA256 in graph.provenance and replace(options, **given) != options:
        raise DataError(
            f"{arguments.model}: was converted with the source options {options.as_text()}, which are kept in "
            "it; leave yours out"
        )
    options = replace(options, **given)
    if Path(arguments.source).suffix in CHECKPOINTS and options.net is None and options.factory is None:
        raise DataError(f"{arguments.model}: does not say which network it was converted from; give it with --net")
    need_kind(Path(arguments.source), options)
    return options


def _net(model: str, known: str | None, given: str | None) -> str:
    """The network's text: of --net, which must not contradict the model's own, or the model's."""
    if given is None or known is None:
        return given or known or ""
    with contextlib.suppress(NetArgumentError):  # a model's text is free text
        if net_arguments(known) != net_arguments(given):
            raise DataError(f"{model}: was converted from {known}, not from {given}; leave --net out")
    return given


def _same_checkpoint(graph: Graph, source: str) -> bool | None:
    """Tell whether the model was made from exactly this file; None when it does not say. Says so on stderr if not."""
    known = graph.provenance.get(SHA256)
    if known is None:
        return None
    found = file_sha256(source)
    if found != known:
        note(
            f"{source} is not the file that the model was converted from (SHA-256 {found[:12]}..., the model says "
            f"{known[:12]}...); they are compared all the same"
        )
    return found == known


def _checker(arguments: argparse.Namespace, graph: Graph, options: SourceOptions) -> Any:
    source = Source(arguments.source, options)
    if options.calibration is not None:
        stated, _, limit = options.calibration.images.rstrip("]").rpartition("[:")
        images, _ = calibration_images(arguments.calibrate or stated, int(limit), source)
        source.calibrate(images)
    runner = source.runner(arguments.threads)
    try:
        return Checker(graph, runner, arguments.threads, lowering=options.lowering)
    except IntinferError as error:
        raise DataError(f"{arguments.model}, {arguments.source}: {error}") from None


def _add_images(checker: Any, arguments: argparse.Namespace) -> None:
    from tqdm import tqdm

    batches: Iterator[Any]
    if arguments.data:
        pictures = load_pictures(arguments.data, checker.graph)
        total = min(len(pictures), arguments.limit or len(pictures))
        batches = pictures.batches(checker.batch, arguments.limit)
    else:
        total = arguments.limit or GENERATED
        images = generated_images(checker.graph, total, arguments.seed)
        batches = (images[start : start + checker.batch] for start in range(0, total, checker.batch))
    with tqdm(total=total, unit="image", leave=False, disable=None) as bar:
        for batch in batches:
            try:
                checker.add(batch)
            except IntinferError as error:
                raise DataError(f"{arguments.model}, {arguments.source}: {error}") from None
            bar.update(len(batch))


def _examples(checker: Any, arguments: argparse.Namespace, options: SourceOptions) -> list[str] | None:
    """Check drawn images; the names of the files that replay a failure."""
    found = check_examples(checker, arguments.examples, arguments.seed)
    if found is None:
        return None
    image, first = found
    command = ["intinfer", "check", arguments.model, arguments.source]
    command += [] if options.net is None else ["--net", options.net]
    prefix = Path(arguments.reproducer)
    files = [str(path) for path in save_reproducer(prefix, image, first, command, options.net)]
    note(f"the simplest failing image found is in {files[0]}; {files[1]} has the command that replays it")
    return files


def _text(report: CheckReport) -> str:
    lines = [_nodes(report.nodes)]
    lines.append(
        f"{report.images:,} images, {report.values:,} values: {report.exact:,} equal, "
        f"{report.float_ties:,} float ties, {report.mismatches:,} mismatches"
    )
    whole = report.end_to_end
    lines.append(
        f"end to end: the same class on {whole.same_class:,} of {whole.images:,} images; logits differ by at most "
        f"{whole.max_logit_difference:.3g}"
    )
    lines += [f"mismatch: {node.first}" for node in report.nodes if node.first is not None][:1]
    return "\n".join(lines)


def _nodes(nodes: Iterable[Any]) -> str:
    rows = []
    for node in nodes:
        counts = [f"{count:,}" for count in (node.values, node.exact, node.float_ties, node.mismatches)]
        largest = f"{node.max_distance:.3g} of {node.max_bound:.3g}" if node.max_bound > 0 else ""
        rows.append((node.name, node.op, ", ".join(node.source), *counts, largest))
    return table(
        ("node", "op", "from", "values", "equal", "float ties", "mismatches", "largest distance of bound"), rows
    )
