"""Fingerprints: of the source files and settings that a recipe's results depend on, so that one knows which are stale.

A recipe depends on its own function, on what that function uses in its file, and on the files that these names come
from, and so on down, within this repository. Imports are read with `ast`; a name that a package re-exports is followed
to the file that defines it, so that a new model beside an old one changes nothing. Docstrings, comments and blank lines
do not count. Of a recipe that needs parts, theirs belong to it.

What all recipes share is not followed (SHARED): the loop, checkpoints, pictures, judges, the kernels of GPUs. It is
edited often, and tests hold it: a run is bit for bit what it was, a judge is held against what is known. Whoever
changes what it computes raises GENERATION, and every entry of the ledger is stale.

Read before this: recipes/registry.py. Used by: book.py.
"""
import ast
import functools
import hashlib
import inspect
import io
import sys
import tokenize
from pathlib import Path

import autograd

from .. import recipes
from .settings import Setting

GENERATION = 1  # of training and measuring as such
ROOTS = {"minigen": Path(__file__).parents[1], "autograd": Path(autograd.__file__).parent}
SHARED = ("minigen.train", "minigen.journal", "minigen.resume", "minigen.checkpoint", "minigen.plot", "minigen.metrics",
          "minigen.data", "minigen.recipes", "minigen.diffusion.captured", "autograd.gpu")


def fingerprint(setting) -> str:
    """Sixteen hexadecimal digits."""
    total = hashlib.blake2b(digest_size=8)
    for text in (str(GENERATION), setting.command, *_texts(setting)):
        total.update(hashlib.blake2b(text.encode()).digest())
    return total.hexdigest()


def forget() -> None:
    """Reads the sources again from here on: they may have been edited while something was trained for hours."""
    for cached in _source, _recipe_source, origin:
        cached.cache_clear()


def files(setting) -> list:
    """The dotted names of the files that count, but for that of the recipe."""
    return sorted(_closure(_recipe_source(setting.recipe)[1]))


def _texts(setting):
    own, used = _recipe_source(setting.recipe)
    yield own
    for name in sorted(_closure(used)):
        yield name
        yield bare(_source(name))
    for part, needed in sorted(recipes.find(setting.recipe).needs.items()):
        yield part
        yield from _texts(Setting(needed, setting.data))


@functools.cache
def _recipe_source(name) -> tuple:
    """(the text of a recipe's function and of what it uses in its own file, the dotted names that these import)."""
    module = recipes.find(name).plan.__module__
    source, imported = _source(module), _imported(module)
    defined = {bound: node for node in ast.parse(source).body for bound in _bound(node)}
    texts, used, seen, stack = [], set(), set(), [name]
    while stack:
        word = stack.pop()
        if word in seen:
            continue
        seen.add(word)
        if word in imported:
            used.add(imported[word])
        elif word in defined:
            node = defined[word]
            body = [*node.args.defaults, *node.body] if isinstance(node, ast.FunctionDef) else [node]
            texts.append(word + bare(ast.get_source_segment(source, node)))
            stack += sorted({n.id for part in body for n in ast.walk(part) if isinstance(n, ast.Name)})
    return "\n".join(sorted(texts)), frozenset(used)


def _bound(node):
    """The names that a statement at the top of a file defines."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]


def _closure(names) -> set:
    """The files that these dotted names come from, and all files that those import."""
    found, stack = set(), [origin(name) for name in names]
    while stack:
        module = stack.pop()
        if module is None or module in found or any(f"{module}.".startswith(f"{name}.") for name in SHARED):
            continue
        found.add(module)
        stack += [origin(name) for name in _imported(module).values()]
    return found


@functools.cache
def origin(name):
    """The file that a dotted name comes from, followed through packages that re-export it; None for libraries."""
    if _path(name):
        return name
    module, _, last = name.rpartition(".")
    path = _path(module)
    if path is None:
        return None
    again = _imported(module).get(last) if path.name == "__init__.py" else None
    return origin(again) if again else module


def _imported(module) -> dict:
    """Name in a file -> the dotted, absolute name that it imports."""
    return _imported_by(module, _source(module))


@functools.cache
def _imported_by(module, source) -> dict:
    path = _path(module)
    package = module if path and path.name == "__init__.py" else module.rpartition(".")[0]
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[:package.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {alias.asname or alias.name: f"{base}.{alias.name}" for alias in node.names}
    return found


@functools.cache
def _path(module):
    root, *rest = module.split(".")
    if root not in ROOTS:
        return None
    place = ROOTS[root].joinpath(*rest)
    package, file = place / "__init__.py", place.with_suffix(".py")
    return package if package.is_file() else file if rest and file.is_file() else None


@functools.cache
def _source(module) -> str:
    path = _path(module) or Path(inspect.getsourcefile(sys.modules[module]))  # of a recipe that is defined elsewhere
    return path.read_text(encoding="utf-8")


@functools.cache
def bare(source) -> str:
    """Source text without docstrings, comments, and blank lines.

    >>> bare("# why" + chr(10) + "x = '#'  # eq. 1" + chr(10) * 2)
    "x = '#'"
    """
    left_out, lines = set(), source.split("\n")
    if "#" in source:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start
                lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and body and isinstance(body[0], ast.Expr) \
                and isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
            left_out |= set(range(body[0].lineno, body[0].end_lineno + 1))
    return "\n".join(line.rstrip() for number, line in enumerate(lines, 1) if number not in left_out and line.strip())
