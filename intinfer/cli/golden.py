"""`intinfer golden MODEL [IMAGE...] -o DIR`"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from ..model import Model, load
from .common import add_json, describe, note, positive, print_json
from .golden_images import Bar, asked_frames, asked_regions
from .golden_layout import add_words, asked_words

if TYPE_CHECKING:
    from intinfer_golden.frames import Frames
    from intinfer_golden.regions import Region

TIME_LIMIT = 60


def configure(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Write golden vectors into the new folder DIR: every node's tensor (of a convolution or dense layer the\n"
        "accumulator), multiplexer bits, the channels each image demands, weights and thresholds, test benches, and\n"
        "manifest.json that describes all of it. Values come from the reference and are compared with the fast\n"
        "engine before the folder appears. Of the whole network, or with --isolated, --chains or --block of parts of\n"
        "it, each on stimuli found for its coverage; images come first there, and may be left out.",
        "intinfer golden model.npz cat.png -o vectors",
        "intinfer golden model.npz test.npz --limit 1000 -o vectors --format npy",
        "intinfer golden model.npz a.png b.png -o vectors --order nchw --fold 8,image=3 --nodes conv1,conv1.act",
        "intinfer golden model.npz --isolated --format memh,mif -o nodes",
        "intinfer golden model.npz cat.png -o vectors --weights pe=4,simd=8 --weights conv1:pe=2,simd=9,per-pe",
        "intinfer golden model.npz --block 's1.mrb.*' --cover 95 -o block",
    )
    parser.add_argument("model", metavar="MODEL", help="model file, .npz")
    parser.add_argument(
        "images",
        metavar="IMAGE",
        nargs="*",
        help="image files of the model's mode, 8 bits a sample; or one data set, an .npz or a folder of class folders; "
        "of a model that takes no pictures, integers (N, *shape) in an .npy or .npz",
    )
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="new folder to write")
    parser.add_argument("--limit", type=positive, metavar="N", help="the first N images only")
    parser.add_argument(
        "--fit",
        choices=("exact", "crop", "resize"),
        help="image files of another size; see intinfer run --help (default: what the model says)",
    )
    parser.add_argument("--resume", action="store_true", help="go on where the same command was killed, if it was")
    add_json(parser)
    files = parser.add_argument_group("files")
    files.add_argument(
        "--format",
        metavar="F,...",
        type=_list,
        help="memh ($readmemh text), mem (AMD, with address), coe and xmif (Xilinx), mif (Intel), bin (little-endian "
        "words), npy (default: memh and npy; npy alone where memh would be over 64 MiB)",
    )
    files.add_argument(
        "--order", default="nhwc", help="of axes, outermost first: n, then c, h and w in any order (default: nhwc)"
    )
    files.add_argument(
        "--fold",
        metavar="E,NAME=E,...",
        type=_fold,
        default={},
        help="elements a word along the innermost axis, of all values and of some by name (default: 1)",
    )
    files.add_argument("--nodes", metavar="A,B,...", type=_list, help="nodes to write (default: all)")
    add_words(parser)
    parts = parser.add_argument_group("parts of the network, a set each").add_mutually_exclusive_group()
    parts.add_argument("--isolated", action="store_true", help="each node alone")
    parts.add_argument(
        "--chains", action="store_true", help="linear nodes with the threshold, requant or table that follows them"
    )
    parts.add_argument("--block", metavar="GLOB", help="the nodes whose names match, as one")
    stimuli = parser.add_argument_group("directed stimuli")
    stimuli.add_argument(
        "--cover", metavar="PERCENT", type=_percent, help="of bins to reach (default: 100 for parts, none otherwise)"
    )
    stimuli.add_argument("--seed", metavar="N", type=_natural, help="of the search (default: 0)")
    stimuli.add_argument("--rounds", metavar="R", type=_natural, help="of the search; a manifest says how many it took")
    stimuli.add_argument(
        "--time-limit",
        metavar="S",
        type=positive,
        help=f"seconds after which no round begins (default: {TIME_LIMIT} for the whole network without --rounds)",
    )
    stimuli.add_argument("--masks", action="store_true", help="with --isolated: demand masks as stimuli as well")


def _list(text: str) -> list[str]:
    return text.split(",")


def _fold(text: str) -> dict[str, int]:
    folds = {}
    for part in text.split(","):
        name, _, elements = part.rpartition("=")
        if name in folds:
            raise argparse.ArgumentTypeError(f"{text!r} gives {name or 'the number for all values'} twice")
        folds[name] = positive(elements)
    return folds


def _natural(text: str) -> int:
    return 0 if text == "0" else positive(text)


def _percent(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and up to 100")
    return number


def run(arguments: argparse.Namespace) -> int:
    from intinfer_golden.journal import partial_of
    from intinfer_golden.trace import check_new_directory

    _check_options(arguments)
    if not arguments.resume:
        check_new_directory(Path(arguments.output))
    model = load(arguments.model)
    frames = asked_frames(arguments, model) if arguments.images else None
    regions = asked_regions(arguments, model)
    try:
        answer = _whole(arguments, model, frames) if regions is None else _parts(arguments, model, frames, regions)
    except KeyboardInterrupt:
        if partial_of(Path(arguments.output)).exists():
            note(f"what is done is in {partial_of(Path(arguments.output))}; the same command goes on with --resume")
        raise
    if arguments.json:
        print_json(answer)
    else:
        print(_sentence(answer))
    return 0


def _check_options(arguments: argparse.Namespace) -> None:
    parts = arguments.isolated or arguments.chains or arguments.block is not None
    if not arguments.images and not parts and arguments.cover is None:
        raise DataError(
            "there are no images; give some, or ask for directed stimuli with --cover, --isolated or --chains"
        )
    if arguments.masks and not arguments.isolated:
        raise DataError("--masks is for single nodes; give --isolated with it")
    if arguments.block is not None and arguments.nodes is not None:
        raise DataError("--nodes and --block both choose nodes; give one of them")
    search = {"--seed": arguments.seed, "--rounds": arguments.rounds, "--time-limit": arguments.time_limit}
    for name, value in search.items():
        if value is not None and not parts and arguments.cover is None:
            raise DataError(
                f"{name} is of directed stimuli; ask for them with --cover, --isolated, --chains or --block"
            )
    if arguments.limit is not None and not arguments.images:
        raise DataError("--limit is of images, and none are given")


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
    from intinfer_golden.plan import selected
    from intinfer_golden.vectors import estimate, known_formats, usual_formats, write_vectors

    layout: dict[str, Any] = {
        "order": arguments.order,
        "fold": arguments.fold,
        "words": asked_words(arguments),
        "nodes": arguments.nodes,
    }
    nodes = len(selected(model.graph, arguments.nodes)) - len(model.graph.inputs)
    found: dict[str, Any] = {}
    if arguments.cover is not None:
        frames, found = _covering(arguments, model, frames)
    assert frames is not None, "without images there is --cover"
    sizes = estimate(model.graph, frames.count, **layout)
    formats = usual_formats(sizes) if arguments.format is None else known_formats(arguments.format)
    note("about " + ", ".join(f"{sizes[name]:,} bytes of {name}" for name in formats))
    _check_space(arguments, sum(sizes[name] for name in formats))
    bar = Bar(frames.count, "images")
    write_vectors(
        model,
        frames,
        arguments.output,
        formats=formats,
        options=_options(arguments, model),
        resume=arguments.resume,
        progress=bar,
        **layout,
        **found,
    )
    bar.close()
    answer = {"directory": arguments.output, "images": frames.count, "nodes": nodes, "format": formats}
    return answer | ({"coverage": found["coverage"].document()["total"]} if found else {})


def _covering(arguments: argparse.Namespace, model: Model, frames: Frames | None) -> tuple[Frames, dict[str, Any]]:
    """The images with directed ones after them, and what `write_vectors` is told of these."""
    from intinfer_golden import journal
    from intinfer_golden.frames import Frames
    from intinfer_golden.stimulus import directed

    search = _search(arguments, arguments.cover)
    if arguments.rounds is None and arguments.time_limit is None:
        search["time_limit"] = TIME_LIMIT
    begun = journal.read(journal.partial_of(Path(arguments.output))) if arguments.resume else None
    if begun is not None:  # the time limit would stop elsewhere
        search["rounds"] = begun.identity.get("number of rounds", search["rounds"])
    given = frames.all(model.graph) if frames else None
    labels = [f"image {i}" for i in range(frames.count)] if frames else []
    stimulus = directed(model.graph, given=given, given_labels=labels, **search)
    told = {
        "labels": stimulus.labels,
        "seed": search["seed"],
        "rounds": stimulus.rounds,
        "coverage": stimulus.coverage,
    }
    return Frames.of(model.graph, stimulus.frames), told


def _parts(
    arguments: argparse.Namespace, model: Model, frames: Frames | None, regions: Sequence[Region]
) -> dict[str, Any]:
    from intinfer_golden.isolated import write_isolated

    note(f"{len(regions)} sets; a frame of each takes about {_frame_sizes(arguments, model, regions)}")
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
    from intinfer_golden.plan import Layout
    from intinfer_golden.vectors import estimate, known_formats

    layout = Layout.of(model.graph, arguments.order, arguments.fold, asked_words(arguments))
    sizes = [estimate(region.graph, 1, order=arguments.order, **layout.of_region(region.graph)) for region in regions]
    names = known_formats(arguments.format or ["memh", "npy"])
    return ", ".join(f"{sum(size[name] for size in sizes):,} bytes of {name}" for name in names)


def _sentence(answer: Mapping[str, Any]) -> str:
    if "sets" in answer:
        return (
            f"wrote {answer['directory']}: {answer['sets']} sets, {answer['frames']:,} frames; "
            f"{answer['covered']} sets without an open bin, {answer['open']:,} bins open in the others"
        )
    coverage = f"; {answer['coverage']['percent']:.2f} % covered" if "coverage" in answer else ""
    formats = " and ".join(answer["format"])
    return f"wrote {answer['directory']}: {answer['nodes']} nodes, {answer['images']} images, {formats}{coverage}"


def _check_space(arguments: argparse.Namespace, needed: int) -> None:
    free = shutil.disk_usage(Path(arguments.output).parent).free
    if needed > free and not arguments.resume:
        raise DataError(
            f"{arguments.output}: needs about {needed:,} bytes and {free:,} are free; write fewer images or nodes"
        )
