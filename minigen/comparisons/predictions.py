"""What the network of a diffusion is to say of x_t: the noise, the image, or v.

Each gives the others, as x_t = a x_0 + s eps; but a squared error in one is not a squared error in another. In eps,
errors of x_0 count (a / s)^2: details, decided where there is little noise, are all, and coarse shapes, decided where
there is much, nearly nothing. In x_0 all levels count alike, and in v, a eps - s x_0, by 1 + (a / s)^2. Three networks,
equal in all else, learn one each. The error in x_0 is measured at ten levels, and digits are drawn by DDIM from the
same noise, both beside the valid split.
"""
import numpy as np

from autograd.backend import normal, rng

from ..diffusion import clipped, cosine_schedule, ddim, denoiser, prediction_error
from ..diffusion.levels import noised
from ..models.diffusion import DDPM
from ..optim import adam
from ..plot import save_figure
from ..recipes.diffusion import pace, unet
from ..train import Run, one_stage, train
from .drawn_digits import DrawnDigits, beside_sheets

KINDS = "eps", "x0", "v"
LEVELS = 10  # at which the error is measured
CALLS = 20  # of the network, for each image that is drawn


class Predicting(DDPM):
    """A DDPM whose network says `kind` of x_t."""

    def loss(self, batch, rng):
        x_0 = self.space.signed(batch["x"])
        return {"loss": prediction_error(self.network, self.kind, self.schedule, x_0, rng).mean()}

    @property
    def denoise(self):
        return clipped(denoiser(self.network, self.kind))


def compare(path, steps=600, samples=300) -> list:
    judge = DrawnDigits(samples)
    errors, drawn, rows = {}, {}, []
    for kind in KINDS:
        run = trained(judge.digits, kind, steps)
        with run.evaluating():
            errors[kind] = errors_by_level(run.model, judge.valid)
            x_T = normal(rng(1), (judge.n, *judge.space.shape))
            x = ddim(run.model.denoise, x_T, run.model.schedule.levels(CALLS))
        drawn[kind] = judge.space.from_signed(x)
        first, last = float(errors[kind][0]), float(errors[kind][-1])
        rows.append({"network says": kind, "error, t = T/10": first, "error, t = T": last,
                     **judge.measure(drawn[kind])})
    rows.append({"network says": "(training digits)", "error, t = T/10": "", "error, t = T": "", **judge.floor})
    draw(path, errors, drawn)
    return rows


def trained(digits, kind, steps):
    """The Run of the ddpm recipe, but for the loss."""
    noise, space = rng(0), digits.spaces["x"]
    network = unet(space, noise)
    model = Predicting(network, cosine_schedule(1000), space)
    model.kind = kind
    rate, _, decay = pace(space)
    plan = one_stage(model, adam(rate), steps, batch_size=64, ema=(network, decay), clip=1.0)
    return train(Run(plan, digits, rng=noise))


def levels(schedule):
    return [schedule.level(int(t)) for t in np.linspace(0, schedule.T, LEVELS + 1)[1:]]


def errors_by_level(model, x_0):
    """E |x_0 - x_0 of the network|^2 a pixel, (LEVELS,), for images x_0 (N, C, H, W) and the same noise for each."""
    eps = normal(rng(2), x_0.shape)
    return np.array([float(((model.denoise(noised(x_0, eps, level), level) - x_0) ** 2).mean())
                     for level in levels(model.schedule)])


def draw(path, errors, drawn):
    figure, axes = beside_sheets({f"{kind}, {CALLS} steps of DDIM": images for kind, images in drawn.items()})
    steps = np.linspace(0, 1, LEVELS + 1)[1:]
    for kind, values in errors.items():
        axes.semilogy(steps, values, "o-", label=kind)
    axes.set(xlabel="t / T", title="squared error in x_0, valid digits")
    axes.legend(frameon=False)
    save_figure(figure, path)
