"""Films, where motion teaches.

Noise becomes digits, a flow bends a plane, faces of one code are on the way to another. Each is drawn from a trained
run of its recipe. Used by: pictures.py, for the commands of FILMS.
"""
from itertools import pairwise

import numpy as np

from autograd import as_tensor, no_grad
from autograd.backend import normal, rng, to_numpy

from .. import plot
from ..data import load
from ..diffusion import recorded
from ..latents import slerp

COLOURS = 12
FRAMES = 24


def reverse_diffusion(run):
    """Left x_t, from noise down to digits; right what the network takes for x_0 of it, all the way."""
    model, space, seen = run.model, run.model.space, []
    model.sampler(recorded(model.denoise, seen), normal(rng(0), (16, *space.shape)), model.schedule.levels(FRAMES),
                  rng=rng(1))
    for _, x_t, x_0 in seen:
        left, right = (plot.sheet(space.from_signed(x), 4, about=150) for x in (x_t, x_0))
        yield np.concatenate([left, np.full_like(left[:, :12], 255), right], axis=1)
    left = plot.sheet(space.from_signed(seen[-1][2]), 4, about=150)
    yield np.concatenate([left, np.full_like(left[:, :12], 255), left], axis=1)


def bending_plane(run):
    """A grid of z, and draws of N(0, I), taken through the inverse of a flow, layer by layer, to the data."""
    along = np.linspace(-2.5, 2.5, 60, dtype=np.float32)
    lines = [line for fixed in np.linspace(-2.5, 2.5, 11) for line in (
        np.stack([np.full(60, fixed), along], axis=1), np.stack([along, np.full(60, fixed)], axis=1))]
    points = np.concatenate([*lines, normal(rng(0), (600, 2))]).astype(np.float32)
    stages = [points]
    with no_grad():
        for layer in reversed(run.model.flow.children()):
            stages.append(to_numpy(layer.inverse(as_tensor(stages[-1])).data))
    moves = [(a, b) for a, b in pairwise(stages) if np.abs(a - b).max() > 1e-3]
    each = max(2, FRAMES // max(1, len(moves)))  # frames
    for a, b in moves:
        for t in np.linspace(0, 1, each, endpoint=False):
            yield _plane((1 - t) * a + t * b, len(lines))
    yield _plane(stages[-1], len(lines))


def _plane(points, lines):
    figure = plot.new_figure(2.2, 2.2)
    axes = figure.subplots()
    for line in points[:60 * lines].reshape(lines, 60, 2):
        axes.plot(*line.T, color="#9db8d2", linewidth=0.6)
    axes.plot(*points[60 * lines:].T, ".", color="#c0392b", markersize=1.5)
    axes.set(xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal")
    axes.set_axis_off()
    return plot.pixels_of(figure)


def interpolation(run):
    """Sixteen codes of examples, each on its way to that of another, and back: along the sphere."""
    x = load(run.data.name, "valid")["x"][:32]
    z = run.model.encode(x)
    there = [run.model.decode(slerp(z[:16], z[16:], np.full((16, 1), t))) for t in np.linspace(0, 1, FRAMES // 2)]
    for images in there + there[::-1]:
        yield plot.sheet(images, 4, about=220)


FILMS = {  # the command that trained the run
    "minigen train ddpm": reverse_diffusion, "minigen train realnvp --data two_moons": bending_plane,
    "minigen train vae": interpolation, "minigen train vae --data digits": interpolation,
}


def draw(run, command, path) -> None:
    with run.evaluating():
        plot.film(list(FILMS[command](run)), path, seconds=5.0, colours=COLOURS)
