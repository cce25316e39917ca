"""The register of comparisons, and the command `minigen compare NAME`.

A comparison is a file in this folder, under its name, with a function

    def compare(path, steps=600, samples=300) -> list:
        ...

that draws one figure into `path` and returns a row for each case, a dict: column -> number or text. steps: of training,
for each case; samples: that are drawn and measured. The first line of the file's docstring says what is compared, and
the command prints all of it. Other files here, which have no such function, are what comparisons share.

What an example compares already is not written twice: SHOWN_BY says which. Read next: predictions.py.
"""
import ast
import importlib
import inspect
from dataclasses import dataclass
from pathlib import Path

from ..journal import say

HERE = Path(__file__).parent
SHOWN_BY = {  # what is compared -> the example that compares it
    "linear and cosine schedule, and six samplers": "3_diffusion/23_samplers.py",
    "guidance weights, without and with a classifier": "3_diffusion/29_guidance.py",
    "learned and fixed variances": "3_diffusion/28_learned_variance.py",
    "weights beta of the KL": "10_vaes/103_rate_distortion.py",
    "only reconstruction, only KL, both": "2_autoencoders/08_reconstruction_and_kl.py",
    "codebooks that learn by the loss and by moving averages": "7_codes/60_vqvae.py",
    "minimax and non-saturating loss, where D is right": "5_adversarial/42_vanishing_gradient.py",
    "forward KL, reverse KL, Jensen-Shannon, Wasserstein as learning signals": "2_autoencoders/19_learning_signals.py",
}


@dataclass(frozen=True)
class Comparison:
    """A file of this folder: its name, and the first line of its docstring."""

    name: str
    summary: str

    def run(self, path, **sizes) -> list:
        """Draws the figure, returns the rows. sizes: steps, samples; what is left out is the comparison's own."""
        return importlib.import_module(f"{__package__}.{self.name}").compare(path, **sizes)

    def text(self) -> str:
        return inspect.cleandoc(_docstring(HERE / f"{self.name}.py"))


def catalogue() -> list:
    """All comparisons, by name, without importing one of them."""
    return [Comparison(path.stem, _docstring(path).splitlines()[0].rstrip(".")) for path in sorted(HERE.glob("*.py"))
            if any(isinstance(node, ast.FunctionDef) and node.name == "compare" for node in _tree(path).body)]


def find(name) -> Comparison:
    """The comparison of this name. ValueError that names all if there is none."""
    known = {comparison.name: comparison for comparison in catalogue()}
    if name not in known:
        raise ValueError(f"no comparison is called '{name[:40]}'; there are {', '.join(known)}")
    return known[name]


def table(rows) -> list:
    """Rows, dicts of the same columns, as lines: columns aligned, real numbers with four digits."""
    shown = [{column: f"{value:.4g}" if isinstance(value, float) else str(value) for column, value in row.items()}
             for row in rows]
    wide = {column: max(len(column), *(len(row[column]) for row in shown)) for column in rows[0]}
    line = lambda row: "  ".join(f"{row[column]:{width}}" for column, width in wide.items()).rstrip()
    return [line({column: column for column in wide}), *(line(row) for row in shown)]


def add_command(add, natural) -> None:
    """Adds `compare` to the command line. add(name, command, text) -> its parser; natural(least): a type of option."""
    sub = add("compare", _compare, "Trains what differs in one thing; draws one figure and prints one table.")
    sub.add_argument("name", metavar="NAME", nargs="?", help="a comparison; without a name all are listed")
    sub.add_argument("--steps", type=natural(1), help="of training, for each case; default: the comparison's own")
    sub.add_argument("--samples", type=natural(2), help="that are measured; default: the comparison's own")
    sub.add_argument("--out", metavar="FILE", help="of the figure; default: NAME.png")


def _compare(args) -> int:
    if args.name is None:
        for comparison in catalogue():
            say(f"{comparison.name:20} {comparison.summary}")
        say("\nand in the repository, as examples:")
        for what, example in SHOWN_BY.items():
            say(f"python examples/{example:40} {what}")
        return 0
    comparison, path = find(args.name), Path(args.out or f"{args.name}.png")
    if path.suffix.lower() != ".png" or not path.absolute().parent.is_dir():
        raise ValueError(f"--out '{path}' is not the name of a PNG file in a folder that is there")
    say(comparison.text() + "\n")
    sizes = {key: value for key in ("steps", "samples") if (value := getattr(args, key)) is not None}
    for line in table(comparison.run(path, **sizes)):
        say(line)
    say(f"wrote '{path}'")
    return 0


def _tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def _docstring(path) -> str:
    return ast.get_docstring(_tree(path), clean=False) or ""
