"""All checks, on one run.

    findings = examine(Case(run, valid, initial))       # [] where nothing was found

A run is sound as far as these checks go; that it is good, samples and measures must show. Read before this: case.py.
"""
from . import diffusion, families, layers, training

CHECKS = [*training.CHECKS, *layers.CHECKS, *diffusion.CHECKS, *families.CHECKS]


def examine(case) -> list:
    """The findings of all checks, in order: the run, the layers, the family."""
    return [finding for check in CHECKS for finding in check(case) or ()]
