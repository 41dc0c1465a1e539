"""The outcome of `verify` as lines for people, command lines that go on from a difference, and JUnit XML."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from xml.etree import ElementTree

from intinfer.reports.text import printable

from ..describe.spans import ranges
from .compare import Comparison, Verification

FIRST_FRAMES = 4
"""Wrong frames that a minimal set is made of."""
SHOWN_ERRORS = 8
SHOWN_FRAMES = 200
"""Characters of the list of frames."""


def describe(comparison: Comparison) -> list[str]:
    """A comparison, the verdict first."""
    source = f" (from {', '.join(comparison.source)})" if comparison.source else ""
    ignored = f", {comparison.ignored:,} not demanded and ignored" if comparison.ignored else ""
    kind = "node" if comparison.constant is None else "constant"
    head = f"{comparison.dump}: {kind} {comparison.name}{source}: "
    if comparison.empty:
        return [printable(line) for line in (head + _emptiness(comparison), *_listed("note", comparison.notes))]
    if (first := comparison.first) is None:
        lines = [f"{head}equal, {comparison.compared:,} values compared{ignored}"]
    else:
        lines = [
            f"{head}DIFFERENT, {comparison.differences:,} of {comparison.compared:,} values compared{ignored}",
            f"  first: {describe_first(comparison)}",
        ]
        if first.expected_word or first.actual_word:
            lines.append(f"  word: expected {first.expected_word or 'nothing'}, actual {first.actual_word or 'none'}")
    if comparison.elements_per_word != comparison.vectors_per_word:
        lines.append(
            f"  read with {comparison.elements_per_word} value a word; the vectors have {comparison.vectors_per_word}"
        )
    if comparison.words != comparison.expected_words:
        lines.append(f"  length: {comparison.words:,} words, {comparison.expected_words:,} expected")
    if comparison.wrong_frames:
        lines.append(f"  frames: {_ranges(comparison.wrong_frames)}")
    if comparison.errors:
        shown = list(comparison.errors.items())[:SHOWN_ERRORS]
        more = len(comparison.errors) - len(shown)
        counts = ", ".join(f"{error:+d} x {count:,}" for error, count in shown)
        lines.append(f"  actual - expected: {counts}" + (f", {more} more" if more else ""))
    lines += _listed("note", comparison.notes)
    lines += _listed("where", [comparison.where] if comparison.where else [])
    lines += _listed("hint", comparison.hints)
    lines += _listed("cause", comparison.causes)
    return [printable(line) for line in lines]


def _emptiness(comparison: Comparison) -> str:
    """What is said in place of a first difference."""
    return (
        f"EMPTY, it holds none of the {comparison.expected_words:,} words expected; look whether the simulation ran to "
        "its end, sent anything, and closed its file"
    )


def _listed(kind: str, texts: Sequence[str]) -> list[str]:
    return [f"  {kind}: {text}" for text in texts]


def commands(verification: Verification) -> dict[str, str]:
    """Command lines for the first difference: "explain" follows its value by hand, "minimal" makes a small set of the
    first frames in which it or another node of its set differs. Empty where there is nothing of the kind to do; a dump
    without words has no value that could be followed.
    """
    different = [comparison for comparison in verification.comparisons if not comparison.equal and not comparison.empty]
    first = different[0] if different else None
    if first is None or first.first is None:
        return {}
    found: dict[str, str | None] = {}
    at = first.first.at
    if at is not None and "n" in at and first.role != "input":
        found["explain"] = explain_command(first.directory, at["n"], first.node, at)
    same = [comparison for comparison in different if comparison.directory == first.directory]
    frames = sorted({frame for comparison in same for frame in comparison.wrong_frames})
    if frames:
        found["minimal"] = frames_command(first.directory, frames, first.frames)
    return {name: line for name, line in found.items() if line is not None}


def _ranges(frames: Sequence[int]) -> str:
    """Numbers of frames and how many there are, not too many."""
    text = ranges(frames)
    if len(text) > SHOWN_FRAMES:
        text = f"{text[:SHOWN_FRAMES].rpartition(',')[0]},..."
    return f"{text} ({len(frames):,} in all)" if len(frames) > 1 else text


def describe_first(comparison: Comparison) -> str:
    """The first difference in one line: "n=0 c=1 y=2 x=3 (word 9, line 14): expected 1 (0x1), actual 2 (0x2)"."""
    first = comparison.first
    assert first is not None, "asked for what differs"
    at = " ".join(f"{axis}={i}" for axis, i in first.at.items()) + " " if first.at else ""
    lane = "" if first.lane is None else f" lane {first.lane}"
    line = "" if first.line is None else f", line {first.line}"
    time = "" if first.time is None else f", time {first.time}"
    expected = "nothing" if first.expected is None else f"{first.expected} ({first.expected_hex})"
    actual = "" if first.actual is None else f"{first.actual} ({first.actual_hex})"
    found = "; ".join(part for part in (actual, first.problem) if part)
    pass_ = "" if first.pass_ is None else f"pass {first.pass_} of the set, "
    return f"{pass_}{at}(word {first.word}{lane}{line}{time}): expected {expected}, actual {found}"


def explain_command(directory: str | PathLike[str], frame: int, node: str, at: Mapping[str, int]) -> str | None:
    """`intinfer explain` of one element of a set; `at` has its c, y and x, or c alone.

    None where a name cannot be pasted, because it is not printable.
    """
    place = ",".join(str(at[axis]) for axis in "cyx" if axis in at)
    return _line("explain", _path(directory), "--frame", str(frame), *_option("--node", node), "--at", place)


def frames_command(directory: str | PathLike[str], frames: Sequence[int], count: int) -> str | None:
    """`intinfer golden` of the first of some wrong frames of a set of `count`, each after the frame before it, for what
    a design keeps from one frame to the next. None where this is the whole set, and as `explain_command`.
    """
    wanted = sorted({n for frame in frames[:FIRST_FRAMES] for n in (max(frame - 1, 0), frame)})
    if len(wanted) == count:
        return None
    target = f"{Path(directory).resolve().name}-failing"
    return _line("golden", _path(directory), "--frames", ranges(wanted), "-o", _path(target))


def _path(path: str | PathLike[str]) -> str:
    """A path that is not taken for an option."""
    text = fspath(path)
    return f"./{text}" if text.startswith("-") else text


def _option(name: str, value: str) -> list[str]:
    return [f"{name}={value}"] if value.startswith("-") else [name, value]


def _line(*words: str) -> str | None:
    text = shlex.join(["intinfer", *words])
    return text if text.isprintable() else None


def junit_xml(verification: Verification) -> bytes:
    """For a CI server: a test suite with one test case a dump, and a skipped one a node without dump.

    No times: the same outcome gives the same bytes.
    """
    failed = sum(not comparison.equal for comparison in verification.comparisons)
    skipped = len(verification.without_dump)
    counts = {
        "tests": str(len(verification.comparisons) + skipped),
        "failures": str(failed),
        "errors": "0",
        "skipped": str(skipped),
    }
    suites = ElementTree.Element("testsuites", {"name": "intinfer verify", **counts})
    suite = ElementTree.SubElement(suites, "testsuite", {"name": "intinfer verify", **counts})
    for comparison in verification.comparisons:
        case = _case(suite, comparison.name, comparison.dump)
        if not comparison.equal:
            message = printable(_emptiness(comparison) if comparison.empty else describe_first(comparison))
            failure = ElementTree.SubElement(case, "failure", {"message": message, "type": "difference"})
            failure.text = "\n".join(describe(comparison))
    for name in verification.without_dump:
        ElementTree.SubElement(_case(suite, name, "no dump"), "skipped", {"message": "no dump was given"})
    ElementTree.indent(suites, " ")
    text: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _case(suite: ElementTree.Element, node: str, dump: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", {"classname": printable(node), "name": printable(dump)})
