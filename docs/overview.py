"""Draws samples of trained runs side by side: README's picture.

    minigen train vae && minigen train ddpm
    python docs/overview.py runs/vae runs/ddpm      # writes docs/overview.png
"""
import sys
from pathlib import Path

from autograd import backend
from minigen import plot, runs

COLUMNS, ROWS = 8, 8

panels = {}
for folder in sys.argv[1:]:
    run = runs.load(folder)
    with run.evaluating():
        samples = run.model.sample(COLUMNS * ROWS, backend.rng(0))
    panels[f"{run.metadata['recipe']}, {run.data.name}"] = (samples, COLUMNS)
path = Path(__file__).with_name("overview.png")
plot.sheets(panels, path)
print(f"wrote '{path}'")
