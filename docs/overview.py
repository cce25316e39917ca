"""Draws README's picture: a tile of samples for each family, from the runs that `minigen reproduce` has left.

    minigen reproduce && python docs/overview.py reproduced      # writes docs/overview.png

Of each family the first run is taken that is there, in the order of SHOWN; a family without one is left out, and named.
"""
import sys
from pathlib import Path

import numpy as np

from autograd import backend
from minigen import plot, runs
from minigen.evaluate import columns, output_space, spread
from minigen.journal import CHECKPOINT
from minigen.ledger.pictures import shrink

SHOWN = {  # family -> runs, RECIPE-DATA, of which the first is drawn that is there
    "independent pixels": ["independent_pixels-digits"],
    "autoencoders": ["vae-mnist", "vae-mnist10k", "conv_vae-mnist10k", "vae-digits"],
    "discrete codes": ["vq2_pixelcnn-critters", "vqgan_transformer-critters", "vq_transformer-mnist10k"],
    "autoregressive": ["gated_pixelcnn-binarized_mnist", "transformer-digits", "pixelcnn-digits", "nade-digits"],
    "flows": ["realnvp-mnist", "realnvp-two_moons", "realnvp-digits", "planar-two_moons"],
    "adversarial": ["stylegan-critters", "progan-critters", "dcgan-mnist", "dcgan-digits", "infogan-digits",
                    "gan-eight_gaussians"],
    "translation": ["pix2pix-emoji", "stargan-face_edits", "cyclegan-glyphs"],
    "energies": ["ebm-digits"],
    "diffusion": ["ddpm-mnist", "classifier_free-mnist", "ddpm-digits", "ncsn-two_moons", "flow_matching-two_moons"],
    "text to image": ["stable_diffusion-shapes16", "dalle-shapes16", "glide-shapes16", "text_gan-shapes16"],
}
TILE = 16  # images, or points by the hundred


def found(folder, names):
    """The first of these runs in a folder that is finished, loaded; None if there is none."""
    for name in names:
        for path in sorted(Path(folder).glob(f"{name}-*/{CHECKPOINT}")):
            if runs.read(path)[1].get("finished"):
                return runs.load(path.parent)
    return None


def draw(axes, family, run):
    with run.evaluating():
        if output_space(run.data).is_image:
            condition = spread(run.model, run.data, TILE)
            images = run.model.sample(TILE, backend.rng(0), **condition)
            axes.imshow(plot.sheet(images, columns(condition, TILE) or 4, about=300), interpolation="nearest")
        else:
            axes.scatter(*run.data["x"][:1000].T, s=2, color="0.8", linewidths=0)
            axes.scatter(*run.model.sample(100 * TILE, backend.rng(0)).T, s=2, color=plot.TRAIN, linewidths=0)
            axes.set_aspect("equal", adjustable="datalim")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_title(f"{family}\n", fontsize=11, fontweight="bold", pad=2)
    axes.text(0.5, 1.02, f"{run.metadata['recipe']}, {run.data.name}", transform=axes.transAxes, ha="center",
              fontsize=8)


if __name__ == "__main__":
    tiles = {family: run for family, names in SHOWN.items() if (run := found(sys.argv[1], names))}
    wide = int(np.ceil(len(tiles) / 2))
    figure = plot.new_figure(2.3 * wide, 5.4)
    panels = figure.subplots(2, wide, squeeze=False)
    for axes in panels.flat[len(tiles):]:
        axes.set_axis_off()
    for axes, (family, run) in zip(panels.flat, tiles.items()):
        draw(axes, family, run)
    path = Path(__file__).with_name("overview.png")
    plot.save_figure(figure, path)
    shrink(path, most=1600, colours=128)
    print(f"wrote '{path}', {path.stat().st_size / 1000:.0f} kB; without a run: "
          f"{', '.join(set(SHOWN) - set(tiles)) or 'none'}")
