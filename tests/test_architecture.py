"""The layers: a file imports only from tiers below its own, and never inside a function.

So there are no import circles, and every file can be read knowing only what is below it. The one exception is an
optional dependency, fetched by importlib.import_module with a message that says how to install it.
"""
import ast
from pathlib import Path

import pytest

import autograd
import minigen

ROOTS = {"autograd": Path(autograd.__file__).parent, "minigen": Path(minigen.__file__).parent}

# From the ground up. A name ending in ".*" stands for all files of a folder, which may not import each other.
TIERS = [
    ["autograd.backend"],
    ["autograd.tensor", "autograd.geometry"],
    ["autograd.anomaly", "autograd.ops", "autograd.shape", "autograd.columns"],
    ["autograd.reduce", "autograd.linalg", "autograd.conv", "autograd.resample"],
    ["autograd.functional", "autograd.norm", "autograd.attention", "autograd.gradcheck"],
    ["autograd.cases"],
    ["autograd.check"],
    ["autograd"],
    ["minigen.data.dataset", "minigen.data.formats", "minigen.data.pixels", "minigen.data.energies"],
    ["minigen.data.files", "minigen.data.toys"],
    ["minigen.data.images"],
    ["minigen.data.batches", "minigen.data.catalog"],
    ["minigen.data"],
    ["minigen.densities", "minigen.checkpoint", "minigen.nn.module", "minigen.nn.init"],
    ["minigen.nn.layers", "minigen.optim"],
    ["minigen.nn.conv", "minigen.nn.norms", "minigen.nn.attention", "minigen.ema"],
    ["minigen.nn.blocks"],
    ["minigen.nn.unet", "minigen.nn.autoencoder", "minigen.nn.flows"],
    ["minigen.nn.dequantization"],
    ["minigen.nn"],
    ["minigen.diffusion.schedule"],
    ["minigen.diffusion.predict"],
    ["minigen.diffusion.samplers", "minigen.diffusion.bound"],
    ["minigen.diffusion"],
    ["minigen.metrics", "minigen.plot"],
    ["minigen.train"],
    ["minigen.nn.normalizing_flow"],
    ["minigen.models.*"],
    ["minigen.recipes"],
    ["minigen.cli"],
    ["minigen.__main__"],
]
LONGEST = 600  # lines


def files():
    """Dotted module name -> path, of every file of both packages."""
    found = {}
    for package, root in ROOTS.items():
        for path in sorted(root.rglob("*.py")):
            parts = [package, *path.relative_to(root).with_suffix("").parts]
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


FILES = files()


def tier(module):
    """The tier of a module; a folder under a '.*' belongs to the tier of its files."""
    for level, names in enumerate(TIERS):
        for name in names:
            if name == module or name.endswith(".*") and (module + ".").startswith(name[:-1]):
                return level
    return None


def imports(module, tree):
    """(line, module of ours that is imported) for every import statement of the file."""
    package = module if FILES[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            source = ".".join(filter(None, [base, node.module]))
            names = [f"{source}.{a.name}" if f"{source}.{a.name}" in FILES else source for a in node.names]
        else:
            continue
        yield from ((node.lineno, name) for name in names if name.split(".")[0] in ROOTS)


def parsed(module):
    return ast.parse(FILES[module].read_text())


@pytest.mark.parametrize("module", FILES)
def test_imports_point_down(module):
    if FILES[module].name == "__init__.py" and module != "minigen":
        return  # a folder's __init__ stands above its files and only re-exports: see below
    own = tier(module)
    if module != "minigen":
        assert own is not None, f"{module} is in no tier; add it to TIERS in tests/test_architecture.py"
    for line, imported in imports(module, parsed(module)):
        if module == "minigen":
            assert imported == "autograd", f"minigen/__init__.py:{line} imports {imported}"
            continue
        if imported.startswith("autograd.") and module.startswith("minigen"):
            below = tier("autograd")  # the engine is one thing to the models
        else:
            below = tier(imported)
        same_model = tier(module) == below and module.rpartition(".")[0] == imported.rpartition(".")[0] \
            and _later(module, imported)
        assert below is not None and (below < own or same_model), (
            f"{FILES[module].name}:{line}: {module} (tier {own}) imports {imported} (tier {below}), which is not below")


def _later(module, imported):
    """Within one folder of models, a file may use another that does not use it: an autoencoder's pictures."""
    return tier(module) == tier("minigen.models.x") and not any(
        name == module for _, name in imports(imported, parsed(imported)))


@pytest.mark.parametrize("module", FILES)
def test_no_import_inside_a_function(module):
    for node in ast.walk(parsed(module)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            for inner in ast.walk(node):
                assert not isinstance(inner, (ast.Import, ast.ImportFrom)), f"{FILES[module]}:{inner.lineno}"


@pytest.mark.parametrize("module", [m for m in FILES if FILES[m].name == "__init__.py" and m != "minigen"])
def test_an_init_only_re_exports(module):
    for node in parsed(module).body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        assert docstring or isinstance(node, ast.ImportFrom), f"{FILES[module]}:{node.lineno} does more than re-export"


@pytest.mark.parametrize("module", FILES)
def test_files_stay_readable(module):
    lines = FILES[module].read_text().splitlines()
    assert len(lines) <= LONGEST, f"{module} has {len(lines)} lines; split it by subject"
    for number, line in enumerate(lines, 1):
        assert len(line) <= 120, f"{module}:{number} is {len(line)} characters long"
    assert not lines or lines[0].startswith('"""'), f"{module} does not say at its top what it is"


def test_every_tier_names_files_that_exist():
    for name in sum(TIERS, []):
        assert any((m + ".").startswith(name[:-1]) if name.endswith(".*") else m == name for m in FILES), name


def test_models_of_different_families_do_not_know_each_other():
    for module in FILES:
        if module.startswith("minigen.models."):
            family = module.split(".")[2]
            for line, imported in imports(module, parsed(module)):
                if imported.startswith("minigen.models."):
                    assert imported.split(".")[2] == family, f"{module}:{line} imports {imported}"
