"""The outcome of `verify` as JUnit XML, for a continuous-integration server."""

from __future__ import annotations

from xml.etree import ElementTree

from intinfer.reports.text import printable

from .compare import Verification
from .report import describe, describe_first


def junit_xml(verification: Verification) -> bytes:
    """A test suite with one test case a dump, and a skipped one a node without dump.

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
            message = printable(describe_first(comparison))
            failure = ElementTree.SubElement(case, "failure", {"message": message, "type": "difference"})
            failure.text = "\n".join(describe(comparison))
    for name in verification.without_dump:
        ElementTree.SubElement(_case(suite, name, "no dump"), "skipped", {"message": "no dump was given"})
    ElementTree.indent(suites, " ")
    text: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _case(suite: ElementTree.Element, node: str, dump: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", {"classname": printable(node), "name": printable(dump)})
