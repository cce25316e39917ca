"""A larger text encoder or a larger U-Net: which of them an Imagen draws what was asked for with.

Imagen's finding (Saharia et al. 2022, figure 4) is that a larger language model helps more than a larger U-Net: whether
there are two things, and which is which, is decided by who reads; how clean their edges are, by who draws. Here each of
two language models of captions, one with four times the width, reads for each of two U-Nets, one with twice the width.
All four see as many pictures, and the larger ones take longer. The exact reader says how many captions of the valid
split are true of what is drawn, and how many pictures are no clean scene.
"""
import numpy as np

from autograd.backend import rng

from ..data import load
from ..data.shapes.captions import decode, encode, parse
from ..nn import Frozen
from ..plot import new_figure, save_figure, sheet
from ..recipes.text_to_image import imagen_of, language_model
from ..train import Run, train
from .text_to_image import measures

WIDTHS = 16, 64  # of the language model
CHANNELS = 16, 32  # of the U-Net
W, CALLS = 1.0, 20  # guidance; steps of DPM++
PROMPTS = ("a large red circle", "two small green triangles", "a blue square above a yellow cross",
           "a cyan circle left of a red triangle")
EACH = 4  # pictures of each prompt
SHOWN = "one object", "two", "flagged"


def compare(path, steps=2800, samples=300) -> list:
    shapes, held = load("shapes16"), load("shapes16", "valid").first(samples)
    rows, drawn = [], {}
    for width in WIDTHS:
        noise = rng(0)
        reader = trained(language_model(held.spaces["text"], width, noise), shapes, max(1, steps // 3), noise)
        nats = reader.measure(held.columns, rng(1))[0].value
        for channels in CHANNELS:
            noise = rng(0)
            model, plan = imagen_of(held.spaces["x"], Frozen(reader), noise, width=channels)
            model = trained(plan(model), shapes, steps, noise)
            model.levels = model.schedule.levels(CALLS)
            drawn[width, channels] = model.sample(len(PROMPTS) * EACH, rng(1), w=W,
                                                  text=encode(PROMPTS).repeat(EACH, axis=0))
            pictures = model.sample(len(held), rng(2), text=held["text"], w=W)
            rows.append({"encoder": width, "nats a word": nats, "U-Net": channels,
                         "parameters": model.num_parameters(), **measures(pictures, held["text"])})
    two = np.mean([parse(caption).form == "two" for caption in decode(held["text"])])
    draw(path, rows, drawn, len(held) * np.array([1 - two, two, 1]))
    return rows


def trained(plan, shapes, steps, noise):
    return train(Run(plan, shapes, rng=noise, steps=steps)).settled()


def draw(path, rows, drawn, counts):
    """Bars of shares, of so many pictures each, with half a 95 % interval; and pictures of PROMPTS, a row each."""
    figure = new_figure(14, 3.8)
    bars, *grids = figure.subplots(1, 1 + len(drawn), width_ratios=[1.6] + [1] * len(drawn))
    places, wide = np.arange(len(SHOWN)), 0.8 / len(rows)
    for i, row in enumerate(rows):
        shares = np.nan_to_num([row[column] for column in SHOWN])
        bars.bar(places + (i - (len(rows) - 1) / 2) * wide, shares, wide,
                 yerr=1.96 * np.sqrt(shares * (1 - shares) / counts.clip(1)), capsize=2,
                 label=f"encoder {row['encoder']}, U-Net {row['U-Net']}")
    bars.set_xticks(places, ("true, one kind", "true, two kinds", "no clean scene"))
    bars.set(ylim=(0, 1), title=f"valid captions, w = {W:g}")
    bars.legend(frameon=False, fontsize=8)
    for grid, ((width, channels), pictures) in zip(grids, drawn.items()):
        grid.imshow(shown := sheet(pictures, columns=EACH), interpolation="nearest")
        grid.set(title=f"encoder {width}, U-Net {channels}", xticks=[])
        grid.set_yticks((np.arange(len(PROMPTS)) + 0.5) * len(shown) / len(PROMPTS),
                        [prompt.replace(" above", "\nabove").replace(" left", "\nleft") for prompt in PROMPTS]
                        if grid is grids[0] else [""] * len(PROMPTS), fontsize=8)
        grid.tick_params(length=0)
    save_figure(figure, path)
