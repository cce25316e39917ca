"""Minimax, non-saturating, Wasserstein: three games for the same generator, on eight Gaussians in a ring.

In the first two D says how likely a point is data, and G descends log(1 - D) or -log D: the same fixed point, another
pull on the way there, as the first is flat where D is sure. In the third a critic of slope 1 measures how far samples
have to be moved, five steps of it for each of G; its pull does not fade where the two do not overlap. Equal networks,
batches and optimizers, and as many steps of G. What counts is how many modes have samples, how many samples lie in
one, and how far both distributions are apart.
"""
import numpy as np

from autograd.backend import rng

from ..data import EIGHT_CENTRES, EIGHT_SIGMA, load
from ..metrics import energy_distance, modes
from ..models.adversarial import GAN, WGANGP, MLPDiscriminator, MLPGenerator
from ..optim import adam
from ..plot import new_figure, save_figure
from ..train import Run, one_stage

GAMES = {"minimax": lambda G, D, space: GAN(G, D, space, loss="minimax"),
         "non-saturating": lambda G, D, space: GAN(G, D, space),
         "Wasserstein": lambda G, D, space: WGANGP(G, D, space, penalty=0.1)}  # as the paper's code for points
MOMENTS = 20


def compare(path, steps=1000, samples=1000) -> list:
    points, test = load("eight_gaussians"), load("eight_gaussians", "valid").first(samples)
    curves, drawn, rows = {}, {}, []
    for name, game in GAMES.items():
        noise = rng(0)
        generator = MLPGenerator(8, (2,), rng=noise)
        model = game(generator, MLPDiscriminator((2,), rng=noise), points.spaces["x"])
        plan = one_stage(model, adam(1e-3, betas=(0.5, 0.9)), steps, batch_size=256, ema=(generator, 0.99))
        run, curves[name] = Run(plan, points, rng=noise), []
        while not run.over:
            run.advance()
            if run.step * MOMENTS // steps > (run.step - 1) * MOMENTS // steps:
                with run.evaluating():
                    drawn[name] = model.sample(samples, rng(1))
                good, found = modes(drawn[name], EIGHT_CENTRES, EIGHT_SIGMA)
                curves[name].append((run.step, found.sum(), good.mean()))
        rows.append(row(name, drawn[name], test["x"]))
    rows.append(row("(training points)", points["x"][:samples], test["x"]))
    picture(path, curves, drawn, test["x"])
    return rows


def row(name, x, held):
    good, found = modes(x, EIGHT_CENTRES, EIGHT_SIGMA)
    return {"game": name, "modes of 8": int(found.sum()), "good samples": float(good.mean()),
            "energy distance": float(np.mean(energy_distance(x, held)))}


def picture(path, curves, drawn, held):
    figure = new_figure(15, 3.4)
    covered, share, *clouds = figure.subplots(1, 2 + len(drawn))
    for name, points in curves.items():
        steps, found, good = zip(*points)
        covered.plot(steps, found, "o-", markersize=3, label=name)
        share.plot(steps, good, "o-", markersize=3)
    covered.set(title="modes covered", xlabel="steps of G", ylim=(-0.4, 8.4))
    covered.legend(frameon=False, fontsize=8)
    share.set(title="share of good samples", xlabel="steps of G", ylim=(-0.05, 1.05))
    for axes, (name, x) in zip(clouds, drawn.items()):
        axes.scatter(*held[:1000].T, s=3, color="0.8", linewidths=0)
        axes.scatter(*x.T, s=3, linewidths=0)
        axes.set(title=name, xlim=(-4.5, 4.5), ylim=(-4.5, 4.5), xticks=[], yticks=[], aspect="equal")
    save_figure(figure, path)
