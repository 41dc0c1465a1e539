"""The options that describe an accumulator, for the verbs that rewrite or judge accumulators."""

from __future__ import annotations

import argparse

from ..accumulator import MAX_BITS, MIN_BITS, Accumulator, Overflow, TapOrder
from ..errors import DataError
from .common import note, positive


def add_accumulator(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the options that say another accumulator."""
    parser.add_argument("--acc-bits", type=positive, metavar="B", help=what)
    parser.add_argument(
        "--overflow",
        choices=[str(rule) for rule in Overflow],
        help="what happens at the edge of B bits: prove (nothing, by the type rule), wrap (two's complement), saturate "
        "(clip after each addition), trap (an error that names the sum)",
    )
    parser.add_argument(
        "--acc-order",
        choices=[str(order) for order in TapOrder],
        help="order of additions for saturate and trap: input channel, kernel row, kernel column, or channel last "
        "(default: CKK)",
    )
    parser.add_argument(
        "--acc-fold",
        type=positive,
        metavar="N",
        help="for saturate and trap: N consecutive products are added exactly first (default: 1)",
    )


def chosen_rule(arguments: argparse.Namespace, overflow: Overflow | None = None) -> Accumulator | None:
    """The accumulator that the options describe, None without any.

    Args:
        overflow: the rule when --overflow is left out; None refuses that.

    Raises:
        DataError: options that do not go together; GraphError: a width that is impossible.
    """
    others = {"--overflow": arguments.overflow, "--acc-order": arguments.acc_order, "--acc-fold": arguments.acc_fold}
    if arguments.acc_bits is None:
        lonely = [name for name, value in others.items() if value is not None]
        if lonely:
            raise DataError(f"{lonely[0]} describes accumulators of --acc-bits B; give their width as well")
        return None
    if not MIN_BITS <= arguments.acc_bits <= MAX_BITS:
        raise DataError(f"--acc-bits {arguments.acc_bits}: {MIN_BITS}..{MAX_BITS} are possible")
    chosen = arguments.overflow or overflow
    if chosen is None:
        raise DataError(f"--acc-bits {arguments.acc_bits}: say --overflow {', '.join(Overflow)} as well")
    rule = Overflow(chosen)
    if rule not in (Overflow.SATURATE, Overflow.TRAP):
        for name in ("--acc-order", "--acc-fold"):
            if others[name] is not None:
                raise DataError(
                    f"{name} {others[name]}: the order of additions does not matter to {rule}; leave it out"
                )
        return Accumulator(arguments.acc_bits, rule)
    order, fold = TapOrder(arguments.acc_order or "CKK"), arguments.acc_fold or 1
    if arguments.acc_order is None or arguments.acc_fold is None:
        note(f"{rule} depends on the order of additions: {order}, fold {fold}, where not told otherwise")
    return Accumulator(arguments.acc_bits, rule, order, fold)
