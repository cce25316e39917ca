"""The floors of the house: a file imports only from lower floors, or from its own without going round in circles.

FLOORS is the table, the lowest first: names of files and folders, with a sentence that says what lives there. A file is
on the floor of the longest line that it begins with. docs/architecture.md is this table as a map; `python
tests/test_architecture.py` writes it anew. A package's `__init__` only re-exports: to import from it is to import from
the file that defines the name, or, for the package as a whole, from its highest one.
"""
import ast
import configparser
import importlib.util
import pathlib
import subprocess
import sys

import pytest

if __name__ == "__main__":  # tests/ itself, which is first on the path then, has a folder minigen too
    sys.path[0] = str(pathlib.Path(__file__).parents[1])

import autograd  # noqa: E402
import minigen  # noqa: E402

ROOTS = {module.__name__: pathlib.Path(module.__file__).parent for module in (autograd, minigen)}
SETUP = pathlib.Path(__file__).parents[1] / "setup.cfg"
MAP = pathlib.Path(__file__).parents[1] / "docs" / "architecture.md"
LONGEST, LONGEST_MODEL = 400, 230  # lines

FLOORS = [
    ("the ground: the array library, sizes of windows, the graph and its sweep",
     ["autograd/backend", "autograd/geometry", "autograd/mode", "autograd/tensor", "autograd/sweep",
      "autograd/anomaly", "autograd/listing"]),
    ("how arrays are convolved on a CPU, and shared among its cores", ["autograd/cpu/"]),
    ("CUDA kernels, a subject each, and what lays out their launches", ["autograd/gpu/"]),
    ("ops: what a reader reads", ["autograd/"]),
    ("the proof", ["autograd/gradcheck", "autograd/cases", "autograd/check"]),
    ("tools that know no model", ["minigen/__init__", "minigen/player", "minigen/densities", "minigen/divergences",
                                  "minigen/checkpoint", "minigen/metrics", "minigen/sliced",
                                  "minigen/autoregressive/masks"]),
    ("layers and networks", ["minigen/nn/"]),
    ("what moves weights, and what shows results", ["minigen/optim", "minigen/ema", "minigen/plot", "minigen/latents"]),
    ("data: named columns, spaces, streams", ["minigen/data/"]),
    ("what decoders are judged by: distributions of pixels, bounds, and how differently a classifier sees two images",
      ["minigen/likelihoods", "minigen/importance", "minigen/perceptual"]),
    ("Langevin's walk, which scores and energies share, and partition functions", ["minigen/energy/"]),
    ("what the models of a family share", ["minigen/autoencoders/", "minigen/diffusion/", "minigen/flows/",
                                           "minigen/adversarial/", "minigen/autoregressive/", "minigen/quantize/"]),
    ("the noise-prediction loop as CUDA graphs", ["minigen/diffusion/captured/"]),
    ("what models of images and captions share, whatever their family", ["minigen/text_to_image/"]),
    ("the models, a paper per file; none imports another", ["minigen/models/"]),
    ("several workers that make one run: who draws what, and how they add up", ["minigen/parallel/"]),
    ("training: stages, a plan, the one loop", ["minigen/journal", "minigen/resume", "minigen/train"]),
    ("what is measured on samples, and on codes", ["minigen/shapes_judge", "minigen/people_judge", "minigen/judges",
                                                   "minigen/evaluate", "minigen/probes"]),
    ("recipes: a name for each thing that can be trained", ["minigen/recipes/"]),
    ("what looks inside: a step op by op, and what is wrong with a run", ["minigen/step/", "minigen/doctor/"]),
    ("runs in their folders", ["minigen/runs", "minigen/workers", "minigen/conditions", "minigen/look"]),
    ("comparisons: one thing changed, all else the same", ["minigen/comparisons/"]),
    ("the ledger: recipes trained and measured as they stand", ["minigen/ledger/"]),
    ("the command line", ["minigen/cli", "minigen/__main__"]),
]

# importlib may import these in a function: they may be absent, or are slow to import
LATE = {"scipy", "cupy", "cupyx", "matplotlib", "PIL", "threadpoolctl", "fcntl", "mpi4py"}
COME_WITH = {"requests": "pooch", "PIL": "pillow"}  # libraries that come with, or as, others


def find_files():
    """Dotted name of a module -> its path; a package stands for its __init__."""
    found = {}
    for name, folder in ROOTS.items():
        for path in sorted(folder.rglob("*.py")):
            parts = (name, *path.relative_to(folder).with_suffix("").parts)
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


FILES = find_files()
SOURCES = {name: path.read_text(encoding="utf-8") for name, path in FILES.items()}
every_file = pytest.mark.parametrize("name", FILES)


def is_package(name):
    return FILES[name].name == "__init__.py"


def imports(name, source):
    """The names that a file imports, dotted and absolute: ["numpy", "autograd.tensor.Tensor", ...]."""
    package = name if is_package(name) else name.rpartition(".")[0]
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found += [f"{base}.{alias.name}" for alias in node.names]
    return found


def origin(imported):
    """The file that an imported name comes from, followed through packages that re-export it; None for libraries."""
    if imported in FILES:
        return imported
    module, _, name = imported.rpartition(".")
    if module not in FILES:
        return None
    if is_package(module):
        for deeper in imports(module, SOURCES[module]):
            if deeper.rpartition(".")[2] == name:
                return origin(deeper)
    return module


def path_of(name):
    return name.replace(".", "/") + ("/__init__" if is_package(name) else "")


def line_of(name):
    """(the number of the floor that a file is on, the line of the table that says so)."""
    path = path_of(name)
    lines = [(len(line), i, line) for i, (_, lines) in enumerate(FLOORS) for line in lines
             if path == line or line.endswith("/") and path.startswith(line)]
    if not lines:
        pytest.fail(f"{path} is on no floor: give it a line in FLOORS")
    _, floor, line = max(lines)
    return floor, line


def floor(name):
    """That of the table; of a package that is imported as a whole, the highest of what it re-exports."""
    if is_package(name) and name != "minigen":
        origins = [origin(imported) for imported in imports(name, SOURCES[name])]
        return max([floor(o) for o in origins if o and o != name], default=line_of(name)[0])
    return line_of(name)[0]


def upward(name, source):
    """What a file imports from a higher floor; and of models, and of families, what they import from each other."""
    origins = {origin(imported) for imported in imports(name, source)} - {None, name}
    own, line = line_of(name)
    family = path_of(name).split("/")[:-1]
    wrong = set()
    for o in origins:
        beside = floor(o) == own and (line_of(o)[1] != line or line == "minigen/models/" and not is_package(name))
        if floor(o) > own or beside and line.endswith("/") and path_of(o) != "/".join([*family, "__init__"]):
            wrong.add(o)
    return sorted(wrong)


def circles():
    """The files that can be reached from themselves, following imports."""
    below = {name: {origin(i) for i in imports(name, SOURCES[name])} - {None, name} for name in FILES}
    below = {name: {o for o in found if not is_package(o) or o == "minigen"} for name, found in below.items()}
    while True:  # take away what imports nothing, until nothing changes: circles are left
        free = {name for name, found in below.items() if not found}
        if not free:
            return sorted(below)
        below = {name: found - free for name, found in below.items() if name not in free}


def inside_functions(source):
    """The imports within functions, but for those of LATE by importlib."""
    found = []
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            for node in ast.walk(function):
                if isinstance(node, (ast.Import, ast.ImportFrom)):
                    found.append(ast.unparse(node))
                elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "__import__"):
                    words = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
                    registry = "__package__" in ast.unparse(node)  # the file of a recipe's family, by its name
                    if not registry and (not words or str(words[0]).partition(".")[0] not in LATE):
                        found.append(ast.unparse(node))
    return found


@every_file
def test_imports_only_from_lower_levels(name):
    if is_package(name) and name not in ROOTS:
        origins = {origin(imported) for imported in imports(name, SOURCES[name])} - {None}
        assert all(o.startswith(name) for o in origins), "a package re-exports from its own files only"
    elif name != "autograd":
        assert not upward(name, SOURCES[name])


def test_no_circles():
    assert circles() == []


@every_file
def test_no_imports_in_functions(name):
    assert not inside_functions(SOURCES[name])


@every_file
def test_files_are_short(name):
    model = line_of(name)[1] == "minigen/models/"
    assert SOURCES[name].count("\n") <= (LONGEST_MODEL if model else LONGEST)


@every_file
def test_packages_only_re_export(name):
    if is_package(name) and name != "minigen":  # which also refuses a foreign autograd
        docstring, *body = ast.parse(SOURCES[name]).body
        assert isinstance(docstring, ast.Expr)
        assert all(isinstance(node, (ast.Import, ast.ImportFrom)) for node in body)


@every_file
def test_files_say_what_they_are(name):
    assert ast.get_docstring(ast.parse(SOURCES[name])), "a file begins with a docstring"


def test_lines_of_the_table_are_used():
    used = {line_of(name)[1] for name in FILES}
    assert {line for _, lines in FLOORS for line in lines} == used


def test_the_rules_can_fail():
    assert upward("autograd.tensor", "from .ops import exp") == ["autograd.ops"]
    assert upward("autograd.tensor", "import autograd.ops") == ["autograd.ops"]
    assert upward("autograd.cpu.threads", "from ..shape import reshape") == ["autograd.shape"]
    assert upward("minigen.nn.module", "from .. import train") == ["minigen.train"]
    assert upward("minigen.nn.module", "from ..data import Batches") == ["minigen.data.batches"]
    assert upward("minigen.nn.module", "from .. import data")
    assert upward("minigen.nn.module", "def f():\n    from ..train import Run") == ["minigen.train"]
    assert upward("minigen.flows.layers", "from ..diffusion import schedule") == ["minigen.diffusion.schedule"]
    assert upward("minigen.models.flows.glow", "from .realnvp import RealNVP") == ["minigen.models.flows.realnvp"]
    assert upward("autograd.reduce", "import autograd as ag") == ["autograd"]
    assert upward("minigen.optim", "import autograd as ag, numpy\nfrom autograd import exp") == []
    assert inside_functions("def f():\n    import os")
    assert inside_functions("class A:\n  def f(self):\n    from . import b")
    assert inside_functions("f = lambda: importlib.import_module('torch')")
    assert not inside_functions("import os\ndef f():\n    return importlib.import_module(f'matplotlib.{x}')")


# The map


def architecture():
    """The text of docs/architecture.md: each floor, the highest first, with its files and their first lines."""
    text = ["# The house", "",
            "A file imports from lower floors only, or from its own without a circle; `tests/test_architecture.py` "
            "holds it to that.", "This map is made from its table and from the first line of each file: "
            "`python tests/test_architecture.py`.", ""]
    for number, (what, _) in reversed(list(enumerate(FLOORS))):
        names = [name for name in FILES if line_of(name)[0] == number and not is_package(name)]
        if names:
            text += [f"## {what}", ""]
            text += [f"- `{path_of(name)}.py`: {ast.get_docstring(ast.parse(SOURCES[name])).splitlines()[0]}"
                     for name in names] + [""]
    return "\n".join(text)


def test_the_map_is_fresh():
    assert MAP.read_text(encoding="utf-8") == architecture(), "run: python tests/test_architecture.py"


# Dependencies and metadata


def setup():
    config = configparser.ConfigParser()
    config.read(SETUP, encoding="utf-8")
    return config


def required(option, section="options"):
    return {line.split(">")[0].split("=")[0].strip() for line in setup()[section][option].splitlines() if line.strip()}


@every_file
def test_libraries_are_declared(name):
    roots = {imported.partition(".")[0] for imported in imports(name, SOURCES[name])} - set(ROOTS)
    roots = {COME_WITH.get(root, root) for root in roots}
    assert roots - set(sys.stdlib_module_names) <= required("install_requires")


def test_metadata():
    config = setup()
    assert config["metadata"]["name"] == "minigen" and config["metadata"]["version"]
    assert config["options"]["python_requires"] == ">=3.10"
    assert config["options.packages.find"]["include"].split() == ["autograd*", "minigen*"]
    assert config["options.entry_points"]["console_scripts"].split("\n")[1:] == ["minigen = minigen.__main__:main"]
    assert required("install_requires") >= {"numpy", "scipy", "matplotlib", "tqdm", "pooch", "safetensors",
                                            "threadpoolctl"}
    assert required("test", "options.extras_require") == {"pytest", "pytest-xdist", "hypothesis"}
    assert required("bench", "options.extras_require") == {"torch"}
    for name, package in (("cuda", "cupy-cuda12x[ctk]>="), ("cuda13", "cupy-cuda13x[ctk]>=")):
        assert config["options.extras_require"][name].strip().startswith(package)


@pytest.mark.parametrize("module, without", [
    ("autograd", {"torch", "matplotlib", "cupy", "minigen", "tqdm", "pooch", "safetensors", "scipy.stats"}),
    ("minigen", {"torch", "matplotlib", "cupy", "tqdm", "pooch", "safetensors"}),
    ("minigen.cli", {"torch", "matplotlib", "cupy"}),
])
def test_importing_is_light(module, without):
    """Where a requirement is not installed, an empty module stands for it, so that what else is imported still shows."""
    known = required("install_requires") | set(COME_WITH)
    absent = sorted(name for name in known if importlib.util.find_spec(name) is None)
    code = f"{STAND_IN.format(absent)}import {module}; print(*sorted({without!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


STAND_IN = """
import importlib.machinery, sys, unittest.mock
class StandIn:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {}:
            return importlib.machinery.ModuleSpec(name, StandIn, is_package=True)
    def create_module(spec):
        return unittest.mock.MagicMock(__spec__=spec)
    def exec_module(module):
        pass
sys.meta_path.append(StandIn)
"""


if __name__ == "__main__":
    MAP.write_text(architecture(), encoding="utf-8")
    print(f"wrote {MAP}")
