"""For all tests: GPU tests are skipped where there is none; scores are shown at the end of the run.

A test that has a figure worth seeing calls record_property("score", "mutants: caught 9 of 9").
"""
import pytest

from autograd.check import devices


def pytest_collection_modifyitems(items):
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked and "cuda" not in devices():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs CuPy and an NVIDIA GPU"))


def pytest_terminal_summary(terminalreporter):
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    for report in reports:
        for name, value in getattr(report, "user_properties", []):
            if name == "score" and report.when == "call":
                terminalreporter.write_line(value)
