"""Minimax, non-saturating, Wasserstein: three games for the same generator, which begins far from the data.

In the first two D says how likely a point is data, and G descends log(1 - D) or -log D: the same fixed point, another
pull on the way there. Where nothing overlaps, D is soon sure of every sample; then the first pull, D, is nothing, and
the second, 1 - D times the slope of the logit, is as steep as D happens to be there. In the third a critic of slope 1
measures how far samples have to be moved, five steps of it for each of G, and pulls as much from afar as from near.
Eight Gaussians in a ring; equal networks and batches, as many steps of G. G makes plain gradient steps, as long as the
gradient is, up to 1: Adam would divide by it, and hide the trouble for a while.
"""
from autograd.backend import rng

from ..data import EIGHT_CENTRES, EIGHT_SIGMA, load
from ..metrics import energy_distance, modes
from ..models.adversarial import GAN, WGANGP, MLPDiscriminator, MLPGenerator
from ..optim import adam, sgd
from ..plot import new_figure, save_figure
from ..train import Run, one_stage

GAMES = {"minimax": lambda G, D, space: GAN(G, D, space, loss="minimax"),
         "non-saturating": lambda G, D, space: GAN(G, D, space),
         "Wasserstein": lambda G, D, space: WGANGP(G, D, space, penalty=0.1)}  # as the paper's code for points
MOMENTS = 20
AFAR = 3.0  # how far from the middle of the ring, along both axes, G begins


def compare(path, steps=800, samples=1000) -> list:
    points, test = load("eight_gaussians"), load("eight_gaussians", "valid").first(samples)
    curves, drawn, rows = {}, {}, []
    for name, game in GAMES.items():
        noise = rng(0)
        generator = MLPGenerator(8, (2,), rng=noise)
        model = game(generator, MLPDiscriminator((2,), rng=noise), points.spaces["x"])
        generator.net[-1].bias.data[...] += AFAR
        players = {player.name: adam(1e-3, betas=(0.5, 0.9)) for player in model.players()} | {"G": sgd(0.02)}
        plan = one_stage(model, players, steps, batch_size=256, clip=1.0)
        run, curves[name] = Run(plan, points, rng=noise), []
        while not run.over:
            run.advance()
            if run.step * MOMENTS // steps > (run.step - 1) * MOMENTS // steps:
                with run.evaluating():
                    drawn[name] = model.sample(samples, rng(1))
                found = row(name, drawn[name], test["x"])
                curves[name].append((run.step, found["modes of 8"], max(1e-3, found["energy distance"])))
        rows.append(row(name, drawn[name], test["x"]))
    rows.append(row("(training points)", points["x"][:samples], test["x"]))
    picture(path, curves, drawn, test["x"])
    return rows


def row(name, x, held):
    good, found = modes(x, EIGHT_CENTRES, EIGHT_SIGMA)
    return {"game": name, "modes of 8": int(found.sum()), "good samples": float(good.mean()),
            "energy distance": float(energy_distance(x, held))}


def picture(path, curves, drawn, held):
    figure = new_figure(15, 3.4)
    covered, distance, *clouds = figure.subplots(1, 2 + len(drawn))
    for name, points in curves.items():
        steps, found, apart = zip(*points)
        covered.plot(steps, found, "o-", markersize=3, label=name)
        distance.semilogy(steps, apart, "o-", markersize=3)
    covered.set(title="modes covered", xlabel="steps of G", ylim=(-0.4, 8.4))
    covered.legend(frameon=False, fontsize=8)
    distance.set(title="energy distance to the data", xlabel="steps of G")
    for axes, (name, x) in zip(clouds, drawn.items()):
        axes.scatter(*held[:1000].T, s=3, color="0.8", linewidths=0)
        axes.scatter(*x.T, s=3, linewidths=0)
        axes.set(title=name, xlim=(-4.5, 4.5), ylim=(-4.5, 4.5), xticks=[], yticks=[], aspect="equal")
    save_figure(figure, path)
