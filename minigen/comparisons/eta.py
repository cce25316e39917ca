"""How much fresh noise a sampler of diffusion adds at each step: DDIM's eta, from none to as much as DDPM's posterior.

All of these steps lead to the same distributions of x_t if the network is right and the steps are small. With few steps
fresh noise hurts: each is taken as if the one before it had been exact, and a large variance stays in the picture, most
of all that of DDPM's own step, sigma^2 = beta ("sigma hat" in table 1 of Song, Meng & Ermon 2021). With many, fresh
noise makes up for errors of the network. One network, drawn from in 5 to 100 steps; the same x_T for all.
"""
from functools import partial

from autograd.backend import normal, rng

from ..diffusion import ancestral, ddim
from ..plot import new_figure, save_figure, sheet
from ..recipes import find
from ..train import Run, train
from .drawn_digits import DrawnDigits

SAMPLERS = {f"eta = {eta:g}": partial(ddim, eta=eta) for eta in (0.0, 0.5, 1.0)} | {"sigma hat": ancestral}
CALLS = 5, 10, 20, 50, 100  # of the network
SHOWN = 10  # calls of the pictures


def compare(path, steps=600, samples=300) -> list:
    judge, noise = DrawnDigits(samples), rng(0)
    run = train(Run(find("ddpm").plan(judge.digits, noise), judge.digits, rng=noise, steps=steps))
    x_T, rows, drawn = normal(rng(1), (judge.n, *judge.space.shape)), [], {}
    with run.evaluating():
        for name, sampler in SAMPLERS.items():
            row = {"sampler": name}
            for calls in CALLS:
                x = sampler(run.model.denoise, x_T, run.model.schedule.levels(calls), rng=rng(2))
                images = judge.space.from_signed(x)
                row[f"{calls} steps"] = judge.measure(images)["Frechet distance"]
                if calls == SHOWN:
                    drawn[name] = images
            rows.append(row)
    floor = judge.floor["Frechet distance"]
    picture(path, rows, drawn, floor)
    return [*rows, {"sampler": "(training digits)", **{f"{calls} steps": floor for calls in CALLS}}]


def picture(path, rows, drawn, floor):
    figure = new_figure(13, 3.4)
    axes, *grids = figure.subplots(1, 1 + len(drawn), width_ratios=[1.5] + [1] * len(drawn))
    for row in rows:
        axes.loglog(CALLS, [row[f"{calls} steps"] for calls in CALLS], "o-", label=row["sampler"])
    axes.axhline(floor, color="k", linestyle=":", label="training digits")
    axes.set(xlabel="steps", title="Frechet distance to valid digits")
    axes.set_xticks(CALLS, map(str, CALLS))
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=8)
    for grid, (name, images) in zip(grids, drawn.items()):
        grid.imshow(sheet(images[:36]), interpolation="nearest")
        grid.set(title=f"{name}, {SHOWN} steps", xticks=[], yticks=[])
    save_figure(figure, path)
