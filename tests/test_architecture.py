"""The layers: a file imports only from lower levels, so circles cannot exist; and what the design says of files.

LEVELS is the table: a file has the level of the first line that matches it, and a new one gets a line of its own
where the general ones do not fit. A package's `__init__` only re-exports: to import from it is to import from the
file that defines the name, or, for the package as a whole, from its highest one.
"""
import ast
import configparser
import fnmatch
import pathlib
import subprocess
import sys

import pytest

import autograd
import minigen

ROOTS = {module.__name__: pathlib.Path(module.__file__).parent for module in (autograd, minigen)}
SETUP = pathlib.Path(__file__).parents[1] / "setup.cfg"
LONGEST = 600  # lines; the files worth imitating have 60 to 300

LEVELS = {
    "autograd/backend": 0,
    "autograd/tensor": 1,
    "autograd/geometry": 1,
    "autograd/threads": 1,
    "autograd/windows": 1.2,
    "autograd/kernels/launch": 1.2,
    "autograd/kernels/tiles": 1.2,
    "autograd/kernels/norm": 1.3,
    "autograd/kernels/*": 1.5,
    "autograd/ops": 2,
    "autograd/shape": 2,
    "autograd/squares": 2,
    "autograd/winograd": 2,
    "autograd/columns": 2.5,
    "autograd/anomaly": 2,
    "autograd/reduce": 3,
    "autograd/linalg": 3,
    "autograd/conv": 3,
    "autograd/resample": 3,
    "autograd/norm": 4,
    "autograd/attention": 4,
    "autograd/functional": 4,
    "autograd/gradcheck": 4,
    "autograd/cases": 4.5,
    "autograd/check": 4.6,
    "minigen/__init__": 5,
    "minigen/densities": 5,
    "minigen/nn/module": 5,
    "minigen/nn/init": 5,
    "minigen/nn/layers": 6,
    "minigen/nn/conv": 6,
    "minigen/nn/norms": 6,
    "minigen/nn/flows": 6,
    "minigen/nn/attention": 6.5,
    "minigen/nn/autoencoder": 6.5,
    "minigen/nn/masked": 6.5,
    "minigen/nn/blocks": 7,
    "minigen/nn/unet": 7.5,
    "minigen/nn/transformer": 7.5,
    "minigen/nn/*": 8,
    "minigen/diffusion/schedule": 5,
    "minigen/diffusion/philox": 5,
    "minigen/diffusion/predict": 5.5,
    "minigen/diffusion/fused": 6.2,
    "minigen/diffusion/loop": 6.6,
    "minigen/diffusion/*": 6,
    "minigen/optim": 6,
    "minigen/ema": 6.5,
    "minigen/checkpoint": 6,
    "minigen/metrics": 6,
    "minigen/plot": 6.5,
    "minigen/data/images": 6.5,
    "minigen/data/toys": 6.5,
    "minigen/data/catalog": 6.6,
    "minigen/data/*": 6,
    "minigen/train": 7,
    "minigen/models/gan/judge": 8.5,
    "minigen/models/gan/implicit": 8.6,
    "minigen/models/*/latent": 8.5,
    "minigen/models/*/dynamics": 8.5,
    "minigen/models/*": 9,  # models never import each other
    "minigen/recipes": 10,
    "minigen/cli": 11,
    "minigen/__main__": 12,
}

# importlib may import these in a function: they may be absent, or are slow to import
LATE = {"scipy", "cupy", "cupyx", "matplotlib", "PIL", "threadpoolctl"}
COME_WITH = {"requests": "pooch", "PIL": "matplotlib"}  # libraries that others bring along


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


def level(name):
    """That of the table; of a package that is imported as a whole, the highest of what it re-exports."""
    path = name.replace(".", "/")
    if is_package(name) and f"{path}/__init__" not in LEVELS:
        return max((level(o) for o in map(origin, imports(name, SOURCES[name])) if o and o != name), default=0)
    path = f"{path}/__init__" if is_package(name) else path
    for pattern, value in LEVELS.items():
        if fnmatch.fnmatchcase(path, pattern):
            return value
    pytest.fail(f"{path} is not in LEVELS: give it the lowest level above all that it imports")


def upward(name, source):
    """What a file imports from its own level or a higher one."""
    origins = {origin(imported) for imported in imports(name, source)} - {None, name}
    return sorted(o for o in origins if level(o) >= level(name))


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
                    if not words or str(words[0]).partition(".")[0] not in LATE:
                        found.append(ast.unparse(node))
    return found


@every_file
def test_imports_only_from_lower_levels(name):
    if is_package(name) and name not in ROOTS:
        origins = {origin(imported) for imported in imports(name, SOURCES[name])} - {None}
        assert all(o.startswith(name) for o in origins), "a package re-exports from its own files only"
    elif name != "autograd":
        assert not upward(name, SOURCES[name])


@every_file
def test_no_imports_in_functions(name):
    assert not inside_functions(SOURCES[name])


@every_file
def test_files_are_short(name):
    assert SOURCES[name].count("\n") <= LONGEST


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
    used = set()
    for name in FILES:
        path = name.replace(".", "/") + ("/__init__" if is_package(name) else "")
        used.add(next((pattern for pattern in LEVELS if fnmatch.fnmatchcase(path, pattern)), None))
    planned = {"minigen/nn/masked", "minigen/nn/transformer", "minigen/nn/*",
               "minigen/diffusion/*"}
    assert set(LEVELS) - used <= planned


def test_the_rules_can_fail():
    assert upward("autograd.tensor", "from .ops import exp") == ["autograd.ops"]
    assert upward("autograd.tensor", "import autograd.ops") == ["autograd.ops"]
    assert upward("autograd.ops", "from .shape import reshape") == ["autograd.shape"]  # the same level
    assert upward("minigen.nn.module", "from . import layers") == ["minigen.nn.layers"]
    assert upward("minigen.nn.module", "from .. import train") == ["minigen.train"]
    assert upward("minigen.nn.module", "from ..data import Batches") == ["minigen.data.batches"]
    assert upward("minigen.nn.module", "from .. import data") == ["minigen.data"]
    assert upward("minigen.nn.module", "def f():\n    from .layers import Linear") == ["minigen.nn.layers"]
    assert upward("autograd.reduce", "import autograd as ag") == ["autograd"]
    assert upward("minigen.optim", "import autograd as ag, numpy\nfrom autograd import exp") == []
    assert inside_functions("def f():\n    import os")
    assert inside_functions("class A:\n  def f(self):\n    from . import b")
    assert inside_functions("f = lambda: importlib.import_module('torch')")
    assert not inside_functions("import os\ndef f():\n    return importlib.import_module(f'matplotlib.{x}')")


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
    assert config["options.entry_points"]["console_scripts"].split("\n")[1:] == ["minigen = minigen.cli:main"]
    assert required("install_requires") >= {"numpy", "scipy", "matplotlib", "tqdm", "pooch", "safetensors",
                                            "threadpoolctl"}
    assert required("test", "options.extras_require") == {"pytest", "hypothesis"}
    assert required("bench", "options.extras_require") == {"torch"}
    for name, package in (("cuda", "cupy-cuda12x[ctk]>="), ("cuda13", "cupy-cuda13x[ctk]>=")):
        assert config["options.extras_require"][name].strip().startswith(package)


@pytest.mark.parametrize("module, without", [
    ("autograd", {"torch", "matplotlib", "cupy", "minigen", "tqdm", "pooch", "safetensors", "scipy.stats"}),
    ("minigen", {"torch", "matplotlib", "cupy", "tqdm", "pooch", "safetensors"}),
    ("minigen.cli", {"torch", "matplotlib", "cupy"}),
])
def test_importing_is_light(module, without):
    code = f"import {module}, sys; print(*sorted({without!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
