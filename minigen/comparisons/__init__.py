"""Comparisons: the same question to several, in one figure and one table."""
from .command import add_command as add_command
