"""`intinfer profile MODEL DATA...`"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..accumulator import Overflow
from ..errors import DataError
from ..files.atomic import replace_file
from ..images.pictures import load_pictures
from ..model import load
from .accumulators import add_accumulator, chosen_rule
from .common import answer, describe, positive

BATCH = 16
PICTURES = (".png", ".svg", ".pdf")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `intinfer profile`."""
    describe(
        parser,
        "Run images and report how often each multiplexer selects, the MACs executed with channel skipping against\n"
        "the dense ones, and the values seen against the proven ranges, with the bits that would have sufficed; of\n"
        "accumulators the sums, with partial sums where the order of additions matters. With --acc-bits, say whether\n"
        "accumulators of B bits would have held every one of them, or where the first overflow is (exit code 1). Each\n"
        "is judged on the values of the model as it is: when all fit, a model with these accumulators gives the same\n"
        "bits on these images. --overflow is wrap unless given, which looks at final sums only.",
        "intinfer profile model.npz cifar10_test.npz --limit 100",
        "intinfer profile model.npz photos/ --plot profile.png",
        "intinfer profile model.npz photos/ --acc-bits 16 --overflow saturate --acc-order KKC --acc-fold 8",
    )
    parser.add_argument("model", metavar="MODEL", help="model file, .npz")
    parser.add_argument("data", metavar="DATA", nargs="+", help="image files, folders, or .npz or .npy files")
    parser.add_argument("--limit", type=positive, metavar="N", help="the first N images only")
    parser.add_argument("--plot", metavar="FILE", help="write a picture as well: .png, .svg or .pdf (needs Matplotlib)")
    add_accumulator(parser, "judge accumulators of B bits in all convolutions and dense layers")


def run(arguments: argparse.Namespace) -> int:
    """Report what images make a model do; 1 when an accumulator that is judged would not have held its sums."""
    from tqdm import tqdm

    from ..reports.profile import profile

    rule = chosen_rule(arguments, Overflow.WRAP)
    graph = load(arguments.model).graph
    if arguments.plot is not None:
        _check_plot(Path(arguments.plot))
    pictures = load_pictures(arguments.data, graph)
    total = min(len(pictures), arguments.limit or len(pictures))
    with tqdm(pictures.batches(BATCH, arguments.limit), total=-(-total // BATCH), leave=False, disable=None) as batches:
        result = profile(graph, batches, rule, pictures.names)
    if arguments.plot is not None:
        from ..reports.plot import plot_profile

        replace_file(arguments.plot, lambda part: plot_profile(result, part))
    code = 0 if rule is None or result.fits else 1
    return answer(arguments, {"model": arguments.model, **result.to_json()}, result.to_text(), code)


def _check_plot(path: Path) -> None:
    """Refuse, before any image is run, a picture that cannot be written."""
    if path.suffix not in PICTURES:
        raise DataError(f"{path}: unknown kind of picture; name it {', '.join(PICTURES)}")
    if path.is_dir():
        raise DataError(f"{path}: is a folder; give a file name")
    if not path.parent.is_dir():
        raise DataError(f"{path}: the folder {path.parent} does not exist; create it first")
