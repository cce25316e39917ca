"""Draws samples of trained runs side by side: README's picture.

    minigen train vae --data binarized_mnist && minigen train ddpm
    python docs/overview.py runs/vae runs/ddpm      # writes docs/overview.png
"""
import sys
from pathlib import Path

from autograd import backend
from minigen import plot
from minigen.cli import load_run
from minigen.train import in_use

COLUMNS, ROWS = 6, 6

panels = {}
for folder in sys.argv[1:]:
    model, ema, dataset, settings = load_run(folder)
    with in_use(model, ema):
        samples = model.sample(COLUMNS * ROWS, backend.rng(0))
    panels[f"{settings['recipe']}, {settings['data']}"] = (samples, COLUMNS)
path = Path(__file__).with_name("overview.png")
plot.sheets(panels, path)
print(f"wrote '{path}'")
