"""Draws results.md, gallery.md and README's rows from results.json anew; takes sentences about commands into it.

    python docs/results.py                                  # after any change of results.json, published.json, sources
    git blame -ls README.md | python docs/results.py take   # rows "| idea | file | command | what it printed |"
    python docs/results.py take < rows.md                   # of the present commit

A row that is taken gets the commit that blame names, its family from its file, and what it leaves to the row above it
("the same", or nothing). One of the same idea and command is replaced; what is there already stays as it is.
"""
import re
import subprocess
import sys
from pathlib import Path

from minigen.ledger import book, render
from minigen.recipes.registry import FAMILIES

LEDGER = Path(__file__).with_name("results.json")
BLAMED = re.compile(r"^\^?([0-9a-f]{7,40})\s+(?:\S+\s+)?\d+\)\s?(.*)$")  # a line of git blame
ELSEWHERE = {"data/shapes": "text_to_image", "shapes_judge": "text_to_image"}  # what a file says of its family


def family_of(file):
    """By a folder of the path in it: `diffusion/ddpm.py`, none: `minigen/diffusion/...`; None if there is none."""
    for part, family in ELSEWHERE.items():
        if part in file:
            return family
    return next((family for family in FAMILIES if re.search(rf"[`/]{family}/", file)), None)


def take(lines, entries, head):
    """Adds the rows among these lines to the entries, in place. Returns how many are new, how many are changed."""
    new, changed, nth = 0, 0, {}
    above = {"idea": "", "file": "", "command": "", "family": FAMILIES[0]}
    for line in lines:
        found = BLAMED.match(line)
        commit, text = (found[1], found[2]) if found else (head, line)
        cells = [cell.strip() for cell in text.strip()[1:-1].split("|", 3)] if text.startswith("| ") else []
        if len(cells) != 4 or cells[0] == "idea" or set(cells[0]) == {"-"}:
            continue
        row = dict(zip(("idea", "file", "command"), cells))
        for key, cell in row.items():
            if cell == "" or cell.startswith("the same"):
                row[key] = above[key] + cell.removeprefix("the same")
        row["family"] = family_of(row["file"]) or above["family"]
        above = {**row, "file": row["file"].partition(",")[0]}
        entry = {"kind": "printed", **row, "text": cells[3], "commit": commit[:10]}
        key = row["idea"], row["command"]
        nth[key] = nth.get(key, -1) + 1  # of one idea and command there may be several rows
        old = [e for e in entries if e["kind"] == "printed" and (e["idea"], e["command"]) == key][nth[key]:]
        if not old:
            entries.append(entry)
            new += 1
        elif old[0]["text"] != entry["text"]:
            old[0].update(entry)
            changed += 1
    return new, changed


if __name__ == "__main__":
    entries = book.load(LEDGER)
    if sys.argv[1:] == ["take"]:
        head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        print("{} new, {} changed".format(*take(sys.stdin, entries, head)))
        book.save(LEDGER, entries)
    for path in render.everything(LEDGER, entries):
        print(f"wrote '{path}'")
