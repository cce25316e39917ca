"""How much fresh noise a sampler of diffusion adds at each step: DDIM's eta, from none to as much as DDPM's posterior.

All of these steps lead to the same distributions of x_t if the network is right and the steps are small. There are two
errors: steps that are large, and a network that is not right. Fresh noise makes up for the second, as a part of what
went wrong is drowned in it; to the first it adds, and most of all the noise of DDPM's own step, sigma^2 = beta ("sigma
hat"), which is too much for few steps and stays in the picture. In table 1 of Song, Meng & Ermon 2021, with a network
that was trained for days, eta = 0 is the best in few steps; after minutes the network's own error is the larger one.
One network, drawn from in 5 to 100 steps; the same x_T for all.
"""
from functools import partial

from autograd.backend import normal, rng

from ..diffusion import ancestral, ddim
from ..plot import save_figure
from ..recipes import find
from ..train import Run, train
from .drawn_digits import DrawnDigits, beside_sheets, floored

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
    figure, axes = beside_sheets({f"{name}, {SHOWN} steps": images for name, images in drawn.items()})
    for row in rows:
        axes.loglog(CALLS, [row[f"{calls} steps"] for calls in CALLS], "o-", label=row["sampler"])
    axes.set(xlabel="steps")
    axes.set_xticks(CALLS, map(str, CALLS))
    axes.tick_params(axis="x", which="minor", bottom=False)
    floored(axes, floor)
    save_figure(figure, path)
