"""`intinfer golden MODEL [IMAGE...] -o DIR`"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from intinfer_golden.describe.plan import Layout, selected
from intinfer_golden.describe.regions import Region
from intinfer_golden.make import journal
from intinfer_golden.make.frames import Frames
from intinfer_golden.make.isolated import write_isolated
from intinfer_golden.make.replace import check_target
from intinfer_golden.make.stimulus.direct import Directed, directed
from intinfer_golden.make.vectors import estimate, known_formats, usual_formats, write_frames, write_vectors
from intinfer_golden.verification.sets import open_set

from ..errors import DataError
from ..model import Model, load
from ..reports.text import counted
from .common import answer, note
from .golden_images import Bar, asked_frames, asked_nodes, asked_regions
from .golden_layout import asked_words
from .golden_options import TIME_LIMIT, check_images, check_options, configure

__all__ = ["configure", "run"]

A_PROCESS = 8
"""Sets that take as long as a process more, which imports and compiles all anew."""


def run(arguments: argparse.Namespace) -> int:
    """Write golden vectors, and say what is in them."""
    check_options(arguments)
    try:
        document = _of_model(arguments) if arguments.frames is None else _of_set(arguments)
    except KeyboardInterrupt:
        partial = journal.partial_of(Path(arguments.output))
        if partial.exists():
            note(f"what is done is in {partial}; the same command goes on with --resume")
        raise
    return answer(arguments, document, _sentence(document))


def _of_model(arguments: argparse.Namespace) -> dict[str, Any]:
    if Path(arguments.model).is_dir():
        raise DataError(f"{arguments.model}: is a folder; of a set of vectors, say which frames with --frames")
    model = load(arguments.model)
    check_images(arguments)
    if not arguments.resume:
        check_target(Path(arguments.output), arguments.force)
    frames = asked_frames(arguments, model) if arguments.images else None
    regions = asked_regions(arguments, model)
    return _whole(arguments, model, frames) if regions is None else _parts(arguments, model, frames, regions)


def _of_set(arguments: argparse.Namespace) -> dict[str, Any]:
    vectors = open_set(Path(arguments.model))
    bar = Bar(sum(last - first + 1 for first, last in arguments.frames), "images")
    document = write_frames(
        vectors, arguments.frames, arguments.output, force=arguments.force, resume=arguments.resume, progress=bar
    )
    bar.close()
    nodes = sum(entry["role"] == "demand_mask" for entry in document["tensors"])
    formats = document["command"]["format"]
    return {"directory": arguments.output, "images": document["images"], "nodes": nodes, "format": formats}


def _search(arguments: argparse.Namespace, goal: float) -> dict[str, Any]:
    """How `stimulus.directed` goes about it."""
    return {
        "goal": goal,
        "seed": arguments.seed or 0,
        "rounds": arguments.rounds,
        "time_limit": arguments.time_limit,
    }


def _options(arguments: argparse.Namespace, model: Model) -> dict[str, str]:
    """What the manifest records beside the files' options."""
    image = model.graph.image
    options = {"fit": arguments.fit or image.fit} if image and arguments.images else {}
    if arguments.cover is not None:
        options["cover"] = f"{arguments.cover:g}"
    return options


def _whole(arguments: argparse.Namespace, model: Model, frames: Frames | None) -> dict[str, Any]:
    chosen = asked_nodes(arguments, model)
    layout: dict[str, Any] = {
        "order": arguments.order,
        "fold": arguments.fold,
        "words": asked_words(arguments),
        "nodes": chosen,
    }
    nodes = len(selected(model.graph, chosen)) - len(model.graph.inputs)
    found = None if arguments.cover is None else _covering(arguments, model, frames)
    images = found or frames
    assert images is not None, "without images there is --cover"
    count = images.count if isinstance(images, Frames) else len(images.labels)
    sizes = estimate(model.graph, count, **layout)
    formats = usual_formats(sizes) if arguments.format is None else known_formats(arguments.format)
    note("about " + ", ".join(f"{sizes[name]:,} bytes of {name}" for name in formats))
    _check_space(arguments, sum(sizes[name] for name in formats))
    bar = Bar(count, "images")
    write_vectors(
        model,
        images,
        arguments.output,
        formats=formats,
        options=_options(arguments, model),
        resume=arguments.resume,
        force=arguments.force,
        progress=bar,
        **layout,
    )
    bar.close()
    document = {"directory": arguments.output, "images": count, "nodes": nodes, "format": formats}
    return document | ({"coverage": found.coverage.document()["total"]} if found else {})


def _covering(arguments: argparse.Namespace, model: Model, frames: Frames | None) -> Directed:
    """The images among directed ones."""
    search = _search(arguments, arguments.cover)
    if arguments.rounds is None and arguments.time_limit is None:
        search["time_limit"] = TIME_LIMIT
    begun = journal.read(journal.partial_of(Path(arguments.output))) if arguments.resume else None
    if begun is not None:  # the time limit would stop elsewhere
        search["rounds"] = begun.identity.get("number of rounds", search["rounds"])
    given = frames.all(model.graph) if frames else None
    labels = [f"image {i}" for i in range(frames.count)] if frames else []
    return directed(model.graph, given=given, given_labels=labels, **search)


def _parts(
    arguments: argparse.Namespace, model: Model, frames: Frames | None, regions: Sequence[Region]
) -> dict[str, Any]:
    note(f"{counted(len(regions), 'set')}; a frame of each takes about {_frame_sizes(arguments, model, regions)}")
    bar = Bar(len(regions), "sets")
    index = write_isolated(
        model,
        regions,
        arguments.output,
        images=frames,
        masks=arguments.masks,
        formats=arguments.format,
        order=arguments.order,
        fold=arguments.fold,
        words=asked_words(arguments),
        options=_options(arguments, model),
        resume=arguments.resume,
        force=arguments.force,
        jobs=arguments.jobs or min(os.cpu_count() or 1, 1 + len(regions) // A_PROCESS),
        progress=bar,
        **_search(arguments, arguments.cover or 100.0),
    )
    bar.close()
    sets = index["sets"]
    return {
        "directory": arguments.output,
        "sets": len(sets),
        "frames": sum(entry["frames"] for entry in sets),
        "covered": sum(entry["coverage"]["open"] == 0 for entry in sets),
        "open": sum(entry["coverage"]["open"] for entry in sets),
    }


def _frame_sizes(arguments: argparse.Namespace, model: Model, regions: Sequence[Region]) -> str:
    """Bytes of one frame of all regions, by format."""
    layout = Layout.of(model.graph, arguments.order, arguments.fold, asked_words(arguments))
    names = known_formats(arguments.format or ["memh", "npy"])
    sizes = [estimate(region.graph, 1, formats=names, **layout.of_region(region.graph)) for region in regions]
    return ", ".join(f"{sum(size[name] for size in sizes):,} bytes of {name}" for name in names)


def _sentence(document: Mapping[str, Any]) -> str:
    if "sets" in document:
        sets, covered, left = document["sets"], document["covered"], document["open"]
        wrote = f"wrote {document['directory']}: {counted(sets, 'set')}, {counted(document['frames'], 'frame')}; "
        if not left:
            return f"{wrote}every case that they should show (bin) is hit, or proven impossible"
        where = f"in {sets - covered} of the sets" if sets > 1 else "in it"
        return (
            f"{wrote}{where} {counted(left, 'case')} that frames should show (bins) {'is' if left == 1 else 'are'} "
            "open, neither hit nor proven impossible; the set's coverage.html lists them, and a longer search "
            "(--time-limit, --rounds) may hit more"
        )
    coverage = f"; {document['coverage']['percent']:.2f} % covered" if "coverage" in document else ""
    formats = " and ".join(document["format"])
    nodes, images = counted(document["nodes"], "node"), counted(document["images"], "image")
    return f"wrote {document['directory']}: {nodes}, {images}, {formats}{coverage}"


def _check_space(arguments: argparse.Namespace, needed: int) -> None:
    free = shutil.disk_usage(Path(arguments.output).parent).free
    if needed > free and not arguments.resume:
        raise DataError(
            f"{arguments.output}: needs about {needed:,} bytes and {free:,} are free; write fewer images or nodes"
        )
