"""What the engine asks of the array library exists in CuPy too: CuPy follows NumPy, but has about three fifths of it.

The names are CuPy's own where it is installed (it can be imported without a GPU), else those of cupy_names.txt, which
`python tests/autograd/test_cupy.py` writes.
"""
import ast
import functools
import importlib.util
import pydoc
import textwrap
from pathlib import Path

import pytest

import autograd
import minigen

STORED = Path(__file__).with_name("cupy_names.txt")
LIBRARIES = {"xp": "cupy", "special": "cupyx.scipy.special"}
INSTALLED = importlib.util.find_spec("cupy") is not None
FILES = [path for package in (autograd, minigen) for path in sorted(Path(package.__file__).parent.rglob("*.py"))]


def names_used(source):
    """{"cupy.linalg.norm", ...}: what a file takes from xp or special, followed through attributes."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        names = []
        while isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Store):
            names.insert(0, node.attr)
            node = node.value
        if names and isinstance(node, ast.Name) and node.id in LIBRARIES:
            found.add(".".join([LIBRARIES[node.id], *names]))
    return found


def exists(name):
    root = next(library for library in LIBRARIES.values() if name.startswith(library + "."))
    if not INSTALLED:
        return name in STORED.read_text(encoding="utf-8").split()
    try:
        functools.reduce(getattr, name[len(root) + 1 :].split("."), importlib.import_module(root))
    except AttributeError:
        return False
    return True


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_names_exist_in_cupy(path):
    missing = sorted(name for name in names_used(path.read_text(encoding="utf-8")) if not exists(name))
    assert not missing, f"CuPy lacks {missing}; or, if it does not, run python tests/autograd/test_cupy.py where it is"


def test_the_check_can_fail():
    assert names_used("xp.linalg.norm(x); special.erf(y).T") == {"cupy.linalg.norm", "cupy.linalg",
                                                                 "cupyx.scipy.special.erf"}
    assert exists("cupy.linalg.norm") and exists("cupyx.scipy.special.erf")
    assert not exists("cupy.spacing_of_everything")
    assert not exists("cupyx.scipy.special.agm")  # SciPy has it


if __name__ == "__main__":
    PLACES = ["cupy", "cupy.linalg", "cupy.ndarray", "cupyx.scipy.special"]
    names = {f"{place}.{name}" for place in PLACES for name in dir(pydoc.locate(place)) if not name.startswith("_")}
    names |= {name for path in FILES for name in names_used(path.read_text(encoding="utf-8")) if exists(name)}
    STORED.write_text(textwrap.fill(" ".join(sorted(names)), 119, break_on_hyphens=False) + "\n")
