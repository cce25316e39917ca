"""For all tests: those of a device are skipped where it is not in use; scores are shown at the end of the run.

A test that has a figure worth seeing calls record_property("score", "mutants: caught 9 of 9").
"""
import pytest

from autograd.backend import device
from autograd.check import devices


def pytest_collection_modifyitems(items):
    reasons = {"gpu": None if "cuda" in devices() else "needs CuPy and an NVIDIA GPU",
               "cpu": None if device() == "cpu" else "MINIGEN_DEVICE=cuda"}
    for item in items:
        for name, reason in reasons.items():
            if reason and item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter):
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    for report in reports:
        for name, value in getattr(report, "user_properties", []):
            if name == "score" and report.when == "call":
                terminalreporter.write_line(value)
