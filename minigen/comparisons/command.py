"""The command `minigen compare NAME`: draws the figure of a comparison, and prints its table.

A comparison is a file in this folder, with compare(path, steps, samples) -> rows, dicts of the same columns.
"""
from pathlib import Path

from ..journal import say
from . import text_to_image

COMPARISONS = {"text_to_image": text_to_image}


def add_command(add, natural) -> None:
    """add(name, command, text) -> its parser; natural(least): a type of option."""
    sub = add("compare", _compare, "Draws one figure of what is compared, and prints one table.")
    sub.add_argument("name", metavar="NAME", choices=tuple(COMPARISONS), help=", ".join(COMPARISONS))
    sub.add_argument("--steps", type=natural(1), default=1, help="runs of fewer are left out; default: 1")
    sub.add_argument("--samples", type=natural(6), default=100, help="that are measured; default: 100")
    sub.add_argument("--out", metavar="FILE", help="of the figure; default: NAME.png")


def table(rows) -> list:
    """Rows, dicts of the same columns, as lines, with columns aligned."""
    cells = [[f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()] for row in rows]
    cells = [list(rows[0]), *cells]
    wide = [max(map(len, column)) for column in zip(*cells)]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(line, wide)).rstrip() for line in cells]


def _compare(args) -> int:
    path = Path(args.out or f"{args.name}.png")
    if path.suffix.lower() != ".png" or not path.absolute().parent.is_dir():
        raise ValueError(f"--out '{path}' is not the name of a PNG file in a folder that is there")
    for line in table(COMPARISONS[args.name].compare(path, args.steps, args.samples)):
        say(line)
    say(f"wrote '{path}'")
    return 0
