"""The last weights or their moving average: what samples are drawn with, while the learning rate is high, and when not.

Adam's steps do not end where the loss is least, but wander about it, the wider the higher the learning rate. A moving
average of the weights stands in the middle of the way. A rate that falls to nothing does the same more slowly, at the
end only, and one must know when the end will be. Two diffusions learn digits, one at a rate that stays, one at a rate
that falls to zero; at five moments digits are drawn by DDIM from the same noise, with the weights and with their
average.
"""
from autograd.backend import normal, rng

from ..diffusion import cosine_schedule, ddim
from ..ema import evaluating
from ..models.diffusion import DDPM
from ..optim import adam, cosine_decay, linear_warmup
from ..plot import save_figure
from ..recipes.diffusion import unet
from ..train import Run, one_stage
from .drawn_digits import DrawnDigits, beside_sheets, floored

RATE, DECAY = 2e-3, 0.99
RATES = {"stays": RATE, "falls": cosine_decay(RATE)}
MOMENTS, CALLS = 5, 20


def compare(path, steps=600, samples=300) -> list:
    judge = DrawnDigits(samples)
    curves, drawn, rows = {}, {}, []
    for name, rate in RATES.items():
        noise = rng(0)
        network = unet(judge.space, noise)
        model = DDPM(network, cosine_schedule(1000), judge.space)
        plan = one_stage(model, adam(linear_warmup(rate, 0.05)), steps, batch_size=64, ema=(network, DECAY), clip=1.0)
        run = Run(plan, judge.digits, rng=noise)
        while not run.over:
            run.advance()
            if run.step * MOMENTS // steps > (run.step - 1) * MOMENTS // steps:
                for what, ema in ("weights", None), ("average", run.ema):
                    drawn[name, what] = draw(model, ema, judge)
                    found = judge.measure(drawn[name, what])
                    curves.setdefault((name, what), []).append((run.step, found["Frechet distance"]))
        rows += [{"learning rate": name, "drawn with": what, **judge.measure(drawn[name, what])}
                 for what in ("weights", "average")]
    rows.append({"learning rate": "(training digits)", "drawn with": "", **judge.floor})
    picture(path, curves, drawn, judge.floor["Frechet distance"])
    return rows


def draw(model, ema, judge):
    """Digits (n, 1, 8, 8) on [0, 1], from the same noise for all."""
    with evaluating(model, ema):
        x = ddim(model.denoise, normal(rng(1), (judge.n, *judge.space.shape)), model.schedule.levels(CALLS))
    return judge.space.from_signed(x)


def picture(path, curves, drawn, floor):
    figure, axes = beside_sheets({f"rate {name}, {what}": images for (name, what), images in drawn.items()})
    for (name, what), points in curves.items():
        axes.semilogy(*zip(*points), "o-" if what == "average" else "o--", color="C0" if name == "stays" else "C1",
                      label=f"rate {name}, {what}")
    axes.set(xlabel="step")
    floored(axes, floor)
    save_figure(figure, path)
