"""Diffusion: whether x_t is what the network is told, at which t it says something, and where the way begins and ends.

Read before this: case.py, diffusion/levels.py, diffusion/schedule.py.
"""
import inspect

import numpy as np

from autograd import Tensor
from autograd.backend import normal, to_numpy

from ..diffusion.levels import Level, noised
from ..diffusion.schedule import Schedule
from ..metrics import energy_distance
from .case import Finding

NOTHING, SOMETHING = 1.3, 0.95  # of the loss of saying 0
LOOKS = 8  # at what the loss hands to the network
SURE = 10.0  # nats
ENOUGH = 25  # steps of a sampler that are not looked at any further


def way_down(model) -> list:
    """The levels that a diffusion's sampler goes down; none of a model that has no denoiser of its own, or that must be
    told something first."""
    levels = getattr(model, "levels", None)
    if not isinstance(levels, list) or not isinstance(levels[0], Level) or not hasattr(model, "denoise"):
        return []
    return levels if list(inspect.signature(model.denoise).parameters) == ["x_t", "level"] else []


def tables(case):
    """Whether the tables of the schedule belong together: averages of them, or roundings, do not."""
    schedule = getattr(case.model, "schedule", None)
    if not isinstance(schedule, Schedule):
        return
    off = float(np.abs(schedule.alpha_bar - np.cumprod(1.0 - schedule.beta)).max())
    if off > 1e-6:
        yield Finding("schedule", f"alpha_bar differs from the product of 1 - beta by up to {off:.2g}: the tables are "
                      "not of one process", "make it anew from beta, and keep it out of averages and optimizers", off)


def ends(case):
    """Whether noise is all there is at the one end of the way, and none at the other."""
    levels, schedule = way_down(case.model), getattr(case.model, "schedule", None)
    if not levels:
        return
    top = levels[0]
    first = schedule.level(1) if isinstance(schedule, Schedule) else None
    deviation = float(case.model.space.signed(case.x()).std())
    left = top.a * deviation / max(top.s, 1e-12)
    if left > 0.3:
        yield Finding("signal at the end", f"at its last t the signal is still {left:.2g} of the noise: samples begin "
                      "in noise alone, which the network has never seen",
                      "more steps, or a schedule whose alpha_bar ends nearer to 0", left)
    if first and first.s / first.a > 0.15:
        yield Finding("noise at the start", f"already at t = 1 the noise is {first.s / first.a:.2g} of the signal: the "
                      "last step must guess that much", "more steps T, or a smaller beta_1", first.s / first.a)


class _Handed(Exception):
    """What a loss handed to its network: it need not be answered."""


def _handed(case, batch, rng):
    """(x_t, t) that the loss hands to the network, NumPy; None if it hands nothing to it, or more than x_t."""
    network = case.model.network

    def look(x_t, t, *rest, **condition):
        raise _Handed(to_numpy(x_t.data if isinstance(x_t, Tensor) else x_t), np.asarray(t))

    network.forward = look  # in the place of its class's, until it is deleted
    try:
        case.model.players()[0].loss(batch, rng)
    except _Handed as handed:
        return handed.args if handed.args[0].shape == batch["x"].shape else None
    finally:
        del network.forward
    return None


def told(case):
    """Whether the network is told the t whose noise is in its input, and sees images on [-1, 1]: by what the loss hands
    to it."""
    model, schedule = case.model, getattr(case.model, "schedule", None)
    if not isinstance(schedule, Schedule) or not hasattr(model, "network") or not way_down(model):
        return
    batch, rng = case.batch(512), case.rng()
    handed = [_handed(case, batch, rng) for _ in range(LOOKS)]
    if any(each is None for each in handed):
        return
    x_t, t = (np.concatenate(parts) for parts in zip(*handed))
    x_0 = np.tile(to_numpy(model.space.signed(batch["x"])).reshape(len(t) // LOOKS, -1), (LOOKS, 1))
    x_t, number = x_t.reshape(len(t), -1), np.searchsorted(schedule.told, t)  # the steps that these t name

    def level(k):
        alpha_bar = schedule.alpha_bar[np.clip(number + k, 1, schedule.T)][:, None]
        return np.sqrt(alpha_bar), np.sqrt(1.0 - alpha_bar)

    a, s = level(0)
    clear = (a > 0.5 * s).ravel()
    scale = float((x_t[clear] * x_0[clear]).sum() / (a[clear] * x_0[clear] ** 2).sum())
    if not 0.8 < scale < 1.25:
        yield Finding("not scaled", f"the signal in x_t is {scale:.3g} times what images on [-1, 1] would give",
                      "hand space.signed(x) to the loss: noise of variance 1 must be of the images' size", scale)
        return
    shifts = [0, *(sign * k for k in range(1, min(4, schedule.T)) for sign in (1, -1))]
    likely = []  # log p(x_t | x_0), if the step were another
    for a, s in map(level, shifts):
        likely.append(float(-0.5 * (((x_t - a * x_0) / s) ** 2 + 2 * np.log(s)).sum()))
    best = shifts[int(np.argmax(likely))]
    if best and max(likely) - likely[0] > SURE:
        yield Finding("t shifted", f"the network is told t, and the noise in x_t is that of step t {best:+d}",
                      "tables have T + 1 entries, and entry 0 is the image: t runs from 1 to T", best)


def loss_by_t(case):
    """Whether the network says more of the noise than nothing, at levels of its sampler between all noise and none."""
    levels, model = way_down(case.model), case.model
    if not levels or case.x() is None:
        return
    between = [level for level in levels if level.s > 0 and 0.05 < level.a / level.s < 20]
    chosen = [between[i] for i in np.linspace(0, len(between) - 1, min(8, len(between))).astype(int)]
    x_0, rng, losses, shares = model.space.signed(case.x(64)), case.rng(), [], []
    low, high = float(x_0.min()), float(x_0.max())
    with case.run.evaluating():
        for level in chosen:
            eps = normal(rng, x_0.shape)
            x_t = noised(x_0, eps, level)
            loss = lambda guess, x_t=x_t, eps=eps, level=level: float(
                (((x_t - level.a * guess) / level.s - eps) ** 2).mean())
            losses.append(loss(model.denoise(x_t, level)))
            shares.append(losses[-1] / loss((x_t / level.a).clip(low, high)))  # eps = 0, kept within the data's range
    worst = int(np.argmax(shares))
    if min(shares) > SOMETHING:
        yield Finding("says nothing", f"at no t is the loss below {min(shares):.2f} of that of saying 0",
                      "is the loss falling? look at the learning rate, the target and the network's last layer",
                      min(shares))
    elif shares[worst] > NOTHING:
        yield Finding("worse than nothing", f"at {chosen[worst]} the loss is {losses[worst]:.2f}, {shares[worst]:.2g} "
                      "times that of saying 0", "train longer, clip the gradient, and look at what t is told there",
                      shares[worst])


def few_steps(case):
    """Whether samples change if the sampler takes four times as many steps."""
    model, schedule = case.model, getattr(case.model, "schedule", None)
    steps = len(way_down(model)) - 1
    if not isinstance(schedule, Schedule) or not hasattr(model, "sampler") or not 0 < steps < ENOUGH \
            or getattr(model, "conditions", ()):
        return
    n, real = 48, case.model.space.drawn(case.x(96))
    distances = []
    with case.run.evaluating():
        for count in (steps, min(4 * steps, schedule.T)):
            x = normal(case.rng(), (n, *model.space.shape))
            drawn = model.space.from_signed(model.sampler(model.denoise, x, schedule.levels(count), rng=case.rng()))
            distances.append(energy_distance(drawn, real))
    by_chance = abs(energy_distance(real[::2], real[1::2]))
    if distances[0] > 1.5 * distances[1] + 2 * by_chance:
        yield Finding("few steps", f"in {steps} steps samples are {distances[0]:.3g} from the data (energy distance), "
                      f"in {min(4 * steps, schedule.T)} steps {distances[1]:.3g}",
                      "more steps, or a sampler without fresh noise: DDIM, DPM++", distances[0])


CHECKS = [tables, ends, told, loss_by_t, few_steps]
