"""What readers see of the ledger: docs/results.md, docs/gallery.md, and eight rows of README, each made from it.

Between MARKS README holds what is made here; a test fails where a file is not what the ledger says. An entry by other
sources than those of now is *stale*, and marked so: its commit says which it was. Beside published figures stand ours,
with the source, and why they differ: published.json, by hand.

Read before this: book.py. Used by: reproduce.py, docs/results.py.
"""
import ast
import json
from pathlib import Path

from .. import checkpoint, recipes
from ..journal import format_duration
from ..metrics import Measure
from ..recipes.registry import FAMILIES
from .fingerprint import fingerprint
from .settings import HOUR, Setting

MARKS = "<!-- made from docs/results.json by docs/results.py: -->", "<!-- end of what is made -->"
TITLES = {"codes": "discrete codes", "autoregressive": "autoregressive models", "adversarial": "adversarial models",
          "energy": "energies", "diffusion": "diffusion and scores", "text_to_image": "text to image"}
HEAD = "| idea | file in `minigen/models/` | command | what it printed |\n|---|---|---|---|"
INTRODUCTION = """# Results

Made from [results.json](results.json) by `python docs/results.py`; nothing here is written by hand. Two kinds of rows:

- **reproduced** by `minigen reproduce`: every recipe as it stands, trained and measured on the test split. Costs are of
  one machine, named below each table; CPU seconds count what was computed, whatever else the machine did. The ledger
  has every measure, with what decides it; here are their numbers, with those of real data, as many, in brackets.
- **printed** by the command beside them, at the commit beside it.

± is half a 95 % interval over the examples. A row whose commit is marked *stale* was made by other sources than those
of now: the files that its recipe imports have changed since, perhaps in a way that changes nothing.
"""


def everything(ledger, entries) -> list:
    """Writes what `outdated` tells. Returns the paths."""
    texts = outdated(ledger, entries)
    for path, text in texts.items():
        checkpoint.write(path, text.encode())
    return list(texts)


def outdated(ledger, entries) -> dict:
    """path -> text as it should be, of what is not: results.md, gallery.md beside the ledger, and README above it."""
    docs = Path(ledger).parent
    texts = {docs / "results.md": results(entries, _published(docs)), docs / "gallery.md": gallery(entries, docs)}
    readme = docs.parent / "README.md"
    if readme.is_file() and MARKS[0] in (text := readme.read_text(encoding="utf-8")):
        texts[readme] = with_rows(text, entries)
    return {path: text for path, text in texts.items()
            if not path.is_file() or path.read_text(encoding="utf-8") != text}


def results(entries, published) -> str:
    """The text of results.md."""
    parts = [INTRODUCTION]
    for family in FAMILIES:
        made = [entry for entry in entries if entry["family"] == family and entry["kind"] == "reproduced"]
        printed = [entry for entry in entries if entry["family"] == family and entry["kind"] == "printed"]
        if made or printed:
            title = TITLES.get(family, family)
            parts += [f"## {title[0].upper()}{title[1:]}\n"]
        if made:
            parts += [_reproduced(made)]
        if beside := _beside([row for row in published if recipes.find(row["recipe"]).family == family], entries):
            parts += [beside]
        if printed:
            parts += [_printed(printed)]
    return "\n".join([*parts, _hour()])


def _reproduced(entries) -> str:
    lines = ["| command | data, examples | measures (real data) | steps, each, of CPU | in all, of CPU | memory | "
             "parameters | commit |", "|---|---|---|---|---|--:|--:|---|"]
    for entry in entries:
        measures = "; ".join(f"{each['name']} {number(each)}" + (f" ({each['floor']})" if each["floor"] else "")
                             for each in entry["measures"])
        of_cpu = 1000 * entry["cpu_seconds"] / max(1, entry["steps"])
        each = (f"{entry['steps']:,}, {1000 * entry['seconds_per_step']:.3g} ms, {of_cpu:.3g} ms" if entry["steps"]
                else "by counting")
        cost = f"{format_duration(entry['seconds_in_all'])}, {format_duration(entry['cpu_seconds_in_all'])}"
        lines.append(_row(f"`{entry['command']}`", f"{entry['data']} {entry['split']}, {entry['examples']:,}", measures,
                          each, cost, f"{entry['peak_memory_mb']:,} MB", f"{entry['parameters']:,}", commit(entry)))
    machines = dict.fromkeys(_machine(entry) for entry in entries)
    return "\n".join([*lines, "", *(f"Measured on {machine}." for machine in machines), ""])


def _machine(entry) -> str:
    machine, versions = entry["machine"], entry["versions"]
    return (f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} thread(s) of BLAS; "
            + ", ".join(f"{name} {version}" for name, version in versions.items() if version))


def _beside(rows, entries) -> str:
    """Published figures, and ours of the same measure: of a reproduced entry if there is one, else of a sentence."""
    lines = ["| recipe, data | measure | ours | published | source | why they differ |", "|---|---|---|---|---|---|"]
    for row in rows:
        ours = [f"{number(each)} ({commit(entry)})" for entry in entries for each in entry.get("measures", ())
                if (entry["recipe"], entry["data"]) == (row["recipe"], row["data"]) and each["name"] == row["measure"]
                and each["unit"] == row["unit"]]
        lines.append(_row(f"{row['recipe']}, {row['data']}", f"{row['measure']} {row['unit']}".strip(),
                          ours[-1] if ours else row["ours"] or "not measured yet", row["published"], row["source"],
                          row["why"]))
    return "\n".join(["Beside what is published:\n", *lines, ""]) if rows else ""


def _printed(entries) -> str:
    lines = ["Printed by other commands:\n", "| idea | file | command | what it printed | commit |",
             "|---|---|---|---|---|"]
    lines += [_row(entry["idea"], entry["file"], entry["command"], entry["text"], entry["commit"]) for entry in entries]
    return "\n".join([*lines, ""])


def _hour() -> str:
    lines = ["## What takes an hour\n", "`minigen reproduce --scale hour` trains these, which `--scale quick`, every "
             "recipe on its own data, does not:\n", "| command | steps |", "|---|--:|"]
    lines += [_row(f"`{Setting(*row).command}`", f"{row[2]:,}" if row[2] else "the recipe's") for row in HOUR]
    return "\n".join([*lines, ""])


def gallery(entries, docs) -> str:
    """The text of gallery.md: a picture and a sentence for each reproduced entry that has one."""
    parts = ["# Gallery\n", "Each picture is drawn by `minigen reproduce` from the run that it has measured, without "
             "choosing: the first samples of seed 0; films of examples are below. The numbers are in "
             "[results.md](results.md).\n"]
    known = {recipe.name: recipe for recipe in recipes.catalogue()}
    for family in FAMILIES:
        shown = [(entry, path) for entry in entries if entry["kind"] == "reproduced" and entry["family"] == family
                 and entry["recipe"] in known
                 and (docs / (path := f"gallery/{setting(entry).slug}.png")).is_file()]
        if shown:
            title = TITLES.get(family, family)
            parts += [f"## {title[0].upper()}{title[1:]}\n"]
        for entry, path in shown:
            about = known[entry["recipe"]]
            first = "; ".join(f"{each['name']} {number(each)}" for each in entry["measures"][:2])
            film = path.replace(".png", ".gif")
            shown_too = [f"![in motion]({film})\n"] if (docs / film).is_file() else []
            parts += [f"![{entry['command']}]({path})\n", *shown_too,
                      f"`{entry['command']}`: {about.summary} ({about.paper}). {entry['data']}, {first}.\n"]
    films = sorted((docs / "gallery").glob("[0-9]*.gif"))
    parts += ["## Films of examples\n"] if films else []
    for film in films:
        by = next(iter((docs.parent / "examples").glob(f"*/{film.stem}.py")), None)
        if by:
            about = ast.get_docstring(ast.parse(by.read_text(encoding="utf-8"))).splitlines()[0]
            parts += [f"![{film.stem}](gallery/{film.name})\n",
                      f"`python examples/{by.parent.name}/{by.name}`: {about}\n"]
    return "\n".join(parts)


def with_rows(readme, entries) -> str:
    """README's text, with the rows of the entries that are for it between the marks."""
    before, _, rest = readme.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    rows = [_row(entry["idea"], entry["file"], entry["command"], entry["text"])
            for entry in entries if entry.get("readme")]
    return "\n".join([before + MARKS[0], "", HEAD, *rows, "", MARKS[1] + after])


def setting(entry) -> Setting:
    """What an entry was trained as."""
    steps = entry["command"].partition(" --steps ")[2]
    return Setting(entry["recipe"], entry["data"], int(steps) if steps else None)


def commit(entry) -> str:
    """The commit of an entry, and whether it is stale."""
    try:
        stale = entry["fingerprint"] != fingerprint(setting(entry))
    except ValueError:  # the recipe is gone
        stale = True
    return f"{entry['commit'] or 'unknown'}{', *stale*' if stale else ''}"


def number(measure) -> str:
    """Value, interval and unit of a measure in the ledger."""
    if measure["value"] is None:
        return "not finite"
    return Measure("", measure["value"], measure["half_width"], measure["unit"]).number()


def _row(*cells) -> str:
    return "| " + " | ".join(cells) + " |"


def _published(docs) -> list:
    path = docs / "published.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
