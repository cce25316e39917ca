"""Comparisons: one thing changed, all else the same, in one figure and one table. Start at registry.py."""
from .registry import Comparison as Comparison
from .registry import add_command as add_command
from .registry import catalogue as catalogue
from .registry import find as find
