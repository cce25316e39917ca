"""The course and the code: which line computes each formula of the lectures, and which topics each file answers.

docs/course.json lists the topics, a row each: id, what it is, its formula, and where a lecture's formula has a slip, the
slip; a fifth entry says why there is no code for it yet. Where the code is, the code itself says:

    x_t = a * x_0 + s * eps  # course 9.1             the line that computes the formula; or on the line above it
    Course: 9.1, 9.4.                                 in a header: what this model, or this example, answers

docs/course.md is made of both: `python tests/test_course.py` writes it anew.
"""
import ast
import collections
import functools
import json
import re
import sys
from pathlib import Path

import pytest

if __name__ == "__main__":  # tests/ itself, which is first on the path then, has a folder minigen too
    sys.path[0] = str(Path(__file__).parents[1])

import autograd  # noqa: E402
import minigen  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {module.__name__: Path(module.__file__).resolve().parents[1] for module in (autograd, minigen)}  # installed
TOPICS = {row[0]: row[1:] for row in json.loads((ROOT / "docs/course.json").read_text(encoding="utf-8"))}
MAP = ROOT / "docs/course.md"
CHAPTERS = {"1": "Distributions and learning", "2": "From images to codes and back", "3": "Autoencoders", "4": "VAE",
            "5": "Discrete codes", "6": "Autoregressive models", "7": "GAN", "8": "Flows", "9": "Diffusion",
            "10": "Text to image", "11": "Energies and measures", "12": "Beyond the lectures"}
MARKER = re.compile(r"# (?:.*; )?course (\d+\.\d+(?:, \d+\.\d+)*)$")
HEADER = re.compile(r"(?:^|\. )Course: (\d+\.\d+(?:,\s+\d+\.\d+)*)\.$", re.MULTILINE)
NUMBERED = re.compile(r"\b(eqs?\.|equations?|sections?|algorithms?|figures?|theorem|table|app\.|appendix|chapter|fact|"
                      r"steps?) ?[A-Z\d]|\b(1[89]|20)\d\d\b", re.IGNORECASE)  # of an equation, or a source's year
HOW = "# course ID at the end of the line that computes it, or above it; see tests/test_course.py"


def files(*patterns):
    return sorted(path for pattern in patterns for path in root_of(pattern).glob(pattern) if path.name != "__init__.py")


def root_of(name):
    """Where autograd/, minigen/ and examples/ are."""
    return PACKAGES.get(name.partition("/")[0], ROOT)


def shown(path):
    root = next(root for root in (*PACKAGES.values(), ROOT) if path.is_relative_to(root))
    return path.relative_to(root).as_posix()


MODELS = files("minigen/models/*/*.py")
EXAMPLES = sorted(files("examples/*/[0-9]*_*.py"), key=lambda path: int(path.name.partition("_")[0]))
SOURCES = {path: path.read_text(encoding="utf-8") for path in files("autograd/**/*.py", "minigen/**/*.py") + EXAMPLES}


@functools.cache
def tree(path):
    return ast.parse(SOURCES[path])


def split_ids(text):
    return re.split(r",\s+", text)


@functools.cache
def markers():
    """id -> [(path, number of the line, counted from 1, its text)], in the order of the files."""
    found = collections.defaultdict(list)
    for path, source in SOURCES.items():
        lines = source.splitlines()
        for i, line in enumerate(lines):
            marker = MARKER.search(line) if "course" in line else None
            if marker:
                i += line.lstrip().startswith("#")  # it stands above the line that it means
                for topic in split_ids(marker[1]):
                    found[topic].append((path, i + 1, re.sub(r"(;|\s*#) course [\d., ]+$", "", lines[i]).strip()))
    return found


def answers(path):
    """The topics that a file's header names."""
    header = HEADER.search(ast.get_docstring(tree(path)) or "")
    return split_ids(header[1]) if header else []


def docstrings_around(path, number):
    """The docstrings of what a line stands in: function, class, file."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Module) or isinstance(node, (ast.FunctionDef, ast.ClassDef)) and \
                node.lineno <= number <= node.end_lineno:
            yield ast.get_docstring(node) or ""


@functools.cache
def recipes():
    """name -> the model files that its function uses, itself or through helpers beside it."""
    found = {}
    for path in files("minigen/recipes/*.py"):
        at = {alias.name: node.module for node in tree(path).body if isinstance(node, ast.ImportFrom)
              and (node.module or "").startswith("models.") for alias in node.names}
        functions = {node.name: node for node in tree(path).body if isinstance(node, ast.FunctionDef)}

        def used(name, seen, at=at, functions=functions):
            names = {n.id for n in ast.walk(functions[name]) if isinstance(n, ast.Name)} - seen
            below = [used(n, seen | names) for n in names & set(functions) - {name}]
            return set().union({defined_in(at[n], n) for n in names & set(at)}, *below)

        for name, function in functions.items():
            if any(getattr(getattr(call, "func", None), "id", "") == "recipe" for call in function.decorator_list):
                found[name] = used(name, set())
    return found


@functools.cache
def defined_in(package, name):
    """The model file of a name that a recipe imports from models.<family>, or from the file itself."""
    path = root_of("minigen") / "minigen" / (package.replace(".", "/") + ".py")
    return path if path.exists() else next(
        path for path in files(f"minigen/{package.replace('.', '/')}/*.py")
        if any(getattr(node, "name", "") == name for node in tree(path).body))


# The map


def topics_of_recipe(name):
    return sorted({topic for path in recipes()[name] for topic in answers(path)}, key=order)


def order(topic):
    return tuple(map(int, topic.split(".")))


def link(path, number=None):
    return f"[`{shown(path)}{f':{number}' if number else ''}`](../{shown(path)}{f'#L{number}' if number else ''})"


def course() -> str:
    """The text of docs/course.md."""
    marked, used = dict(markers()), recipes()
    text = ["# The course and the code", "",
            "For every topic of the lectures the line that computes its formula, the models, what trains them, and the "
            "examples with", "the figure that each writes; then the way back. Made from `docs/course.json`, from the "
            "marks `# course 4.3` in the code and from", "the headers of models and examples: "
            "`python tests/test_course.py`.", ""]
    for chapter, title in CHAPTERS.items():
        text += [f"## {chapter} {title}", ""]
        for topic, (what, formula, slip, *missing) in TOPICS.items():
            if topic.split(".")[0] != chapter:
                continue
            text += [f"**{topic} {what}**", "", f"    {formula}", ""]
            text += [f"Slip: {slip}.", ""] if slip else []
            text += [f"- {link(path, number)} `{line}`" for path, number, line in marked.get(topic, ())]
            models = [path for path in MODELS if topic in answers(path)]
            names = [name for name, paths in used.items() if paths & set(models)]
            if models:
                text.append("- models " + ", ".join(map(link, models))
                            + (": " + ", ".join(f"`minigen train {name}`" for name in names) if names else ""))
            text += [f"- example {link(path)}, figure `{path.stem}.png`" for path in EXAMPLES if topic in answers(path)]
            text += [f"- {missing[0]}"] if missing else []
            text.append("")
    text += ["## From the code to the course", "", "| model | topics | recipes |", "|---|---|---|"]
    for path in MODELS:
        names = [name for name, paths in used.items() if path in paths]
        text.append(f"| {link(path)} | {', '.join(answers(path))} | {', '.join(names)} |")
    text += ["", "| example | topics | figure |", "|---|---|---|"]
    text += [f"| {link(path)} | {', '.join(answers(path))} | `{path.stem}.png` |" for path in EXAMPLES]
    return "\n".join([*text, ""])


# What is held


def test_every_topic_has_its_line():
    marked = markers()
    wrong = [f"topic {topic} ({what}) has no line: write {HOW}, here: course {topic}"
             for topic, (what, _, _, *missing) in TOPICS.items() if topic not in marked and not missing]
    wrong += [f"topic {topic} is marked in {shown(marked[topic][0][0])}: take '{missing[0]}' out of docs/course.json"
              for topic, (_, _, _, *missing) in TOPICS.items() if topic in marked and missing]
    wrong += [f"{shown(places[0][0])}:{places[0][1]} is marked with topic {topic}, which docs/course.json does not have"
              for topic, places in marked.items() if topic not in TOPICS]
    assert not wrong, "\n".join(wrong)


def test_marked_lines_compute_something_and_say_by_which_equation():
    wrong = []
    for places in markers().values():
        for path, number, line in places:
            around = [SOURCES[path].splitlines()[number - 1], *docstrings_around(path, number)]
            if not line or line.startswith(("#", "def ", "class ")):
                wrong.append(f"{shown(path)}:{number}: the mark stands at no line that computes: {line!r}")
            elif not any(NUMBERED.search(each) for each in around):
                wrong.append(f"{shown(path)}:{number}: neither the line nor a docstring around it has an equation's "
                             "number, or a source: add it")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("what, paths", [("model", MODELS), ("example", EXAMPLES)])
def test_every_header_names_its_topics(what, paths):
    """So that every example, and through its model every recipe, is in the map."""
    wrong = [f"{shown(path)}: its header names no topics: end the {what}'s docstring with a line such as "
             "'Course: 4.2, 4.4.' (the topics are in docs/course.json)" for path in paths if not answers(path)]
    wrong += [f"{shown(path)}: its header names {topic}, which docs/course.json does not have"
              for path in paths for topic in answers(path) if topic not in TOPICS]
    marked = markers()
    wrong += [f"{shown(path)}:{number} is marked with {topic}: name it in the header too"
              for topic, places in marked.items() for path, number, _ in places
              if path in paths and topic not in answers(path)]
    assert not wrong, "\n".join(wrong)


def test_every_recipe_is_in_the_map():
    wrong = [f"recipe '{name}' uses no file of minigen/models/ that names topics" for name in recipes()
             if not topics_of_recipe(name)]
    assert not wrong and len(recipes()) > 50, "\n".join(wrong)


def test_ids_are_in_order_and_slips_are_said():
    assert list(TOPICS) == sorted(TOPICS, key=order)
    assert {topic.split(".")[0] for topic in TOPICS} == set(CHAPTERS)
    assert all(TOPICS[topic][2] for topic in ("4.3", "9.1", "9.2", "9.9"))


def test_the_map_is_fresh():
    assert MAP.read_text(encoding="utf-8") == course(), "run: python tests/test_course.py"


def test_the_rules_can_fail(monkeypatch):
    assert MARKER.search("x = 1  # (N,), eq. 3; course 4.2, 4.6")[1] == "4.2, 4.6"
    assert not MARKER.search("x = 1  # of the course 4.2 hours")
    monkeypatch.setitem(TOPICS, "12.99", ["new", "f", ""])
    with pytest.raises(AssertionError, match="topic 12.99 .new. has no line: write # course ID"):
        test_every_topic_has_its_line()
    monkeypatch.setitem(TOPICS, "4.3", [*TOPICS["4.3"][:3], "no code yet"])
    with pytest.raises(AssertionError, match="topic 4.3 is marked in minigen/densities.py: take 'no code yet' out"):
        test_every_topic_has_its_line()
    with monkeypatch.context() as patch:
        path = MODELS[0]
        patch.setitem(globals(), "markers", lambda: {"4.3": [(path, 1, "def f(x):")]})
        with pytest.raises(AssertionError, match="the mark stands at no line that computes: 'def f"):
            test_marked_lines_compute_something_and_say_by_which_equation()
        patch.setitem(globals(), "markers", lambda: {"4.3": [(path, 1, "y = x")]})
        patch.setitem(globals(), "docstrings_around", lambda path, number: ["Nothing is said of where it is from."])
        with pytest.raises(AssertionError, match="has an equation's number, or a source: add it"):
            test_marked_lines_compute_something_and_say_by_which_equation()
        patch.setitem(globals(), "answers", lambda path: [])
        with pytest.raises(AssertionError, match="its header names no topics"):
            test_every_header_names_its_topics("model", MODELS)
        with pytest.raises(AssertionError, match="uses no file of minigen/models/ that names topics"):
            test_every_recipe_is_in_the_map()


if __name__ == "__main__":
    MAP.write_text(course(), encoding="utf-8")
    print(f"wrote {MAP}")
    sys.exit(0)
