"""The outcome of `verify` as JUnit XML, for a continuous-integration server."""

from __future__ import annotations

from xml.etree import ElementTree

from intinfer.text import printable

from .compare import Verification, describe, describe_first


def junit_xml(verification: Verification) -> bytes:
    """A test suite with one test case a dump. No times: the same outcome gives the same bytes."""
    failed = sum(not comparison.equal for comparison in verification.comparisons)
    counts = {"tests": str(len(verification.comparisons)), "failures": str(failed), "errors": "0"}
    suite = ElementTree.Element("testsuite", {"name": "intinfer verify", **counts})
    for comparison in verification.comparisons:
        names = {"classname": printable(comparison.node), "name": printable(comparison.dump)}
        case = ElementTree.SubElement(suite, "testcase", names)
        if not comparison.equal:
            failure = ElementTree.SubElement(case, "failure", {"message": printable(describe_first(comparison))})
            failure.text = "\n".join(describe(comparison))
    ElementTree.indent(suite, " ")
    text: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return text + b"\n"
