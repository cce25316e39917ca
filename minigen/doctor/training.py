"""How a run went: how far, whether it learned, whether it should have gone on, whether it learned by heart.

Read before this: case.py, journal.py (History).
"""
import math

import numpy as np

from autograd.backend import to_numpy

from .case import Finding

FALLING = 0.1  # of all that the loss has fallen, in the last tenth of the way
WORSE = 0.25  # of all that the loss has fallen: by how much an average, or unseen data, may be worse


def units(case):
    """Whether the data are in the units that the model expects, and use them."""
    model_space = getattr(case.model, "space", None)
    for name, space in case.seen.spaces.items():
        values = np.asarray(case.seen[name])
        if name == "x" and model_space is not None and space.shape == model_space.shape \
                and space.levels != model_space.levels:
            yield Finding("units", f"the data have {space.levels} levels, the model was made for {model_space.levels}",
                          "make the model from data.spaces, or scale the data to its levels", space.levels or 0)
        elif space.is_image and space.levels and space.levels > 8:
            used = float(values.max()) / (space.levels - 1)
            if used < 0.1:
                yield Finding("units", f"the brightest number of '{name}' is {values.max()} of {space.levels - 1}: all "
                              "images are black to the model",
                              "were pixels on [0, 1] stored as integers of 0 to 255? multiply them, or name the levels "
                              "that they have", used)
        elif name == "x" and space.levels is None:
            deviation, centre = float(values.std()), float(np.abs(values.mean(axis=0)).max())
            if not 0.05 < deviation < 20 or centre > 20 * deviation:
                yield Finding("units", f"'{name}' has a standard deviation of {deviation:.3g} and means up to "
                              f"{centre:.3g}; real numbers go into networks as they are, whose weights expect about 1",
                              "subtract the mean and divide by the standard deviation", deviation)


def progress(case):
    """Whether the run is over."""
    run = case.run
    if run.stage and not run.over:
        share = run.step / run.steps if math.isfinite(run.steps) else run.seconds / run.budget
        yield Finding("unfinished", f"{share:.0%} of it is done, and {run.rates()}",
                      "go on: minigen train NAME --resume; a learning rate that was to fall to 0 has not", share)


def rates(case):
    """Learning rates that are 0 all along."""
    for name, optimizer in case.run.optimizers.items():
        highest = max(optimizer.rate(done) for done in np.linspace(0, 1, 21))
        if not highest > 0:
            yield Finding("learning rate", f"that of '{name}' is {highest:g} all along",
                          "give its optimizer a rate above 0", highest)


def moved(case):
    """Weights that are what they were at the beginning."""
    if case.initial is None or not case.run.step:
        return
    still = [name for name, p in case.model.named_parameters()
             if name in case.initial and p.size > 1 and np.array_equal(case.initial[name], to_numpy(p.data))]
    total = sum(1 for _, p in case.model.named_parameters() if p.size > 1)
    if still:
        yield Finding("never moved", f"{len(still)} of {total} arrays of weights are what they were at the beginning: "
                      + ", ".join(still[:3]) + (", ..." if len(still) > 3 else ""),
                      "is each in a player's params, has its optimizer a rate above 0, does its loss depend on it?",
                      len(still) / total)


def loss_curve(case):
    """Whether the loss was still falling when the run ended, or had risen again."""
    if not case.learned:
        return
    name, first, _ = case.learned
    means = case.run.history.curves()[f"train/{name}"][1]
    if len(means) < 40:
        return
    tenth = len(means) // 10
    parts = [means[i * tenth : (i + 1) * tenth] for i in range(10)]
    centre, best = [part.mean() for part in parts], min(part.mean() for part in parts)
    noise = math.sqrt(sum(part.var() / len(part) for part in parts[-2:]))
    fallen, rise = first - best, float(np.median(parts[-1])) - best
    step = centre[-2] - centre[-1]
    if step > FALLING * fallen and step > 3 * noise and case.run.over:
        yield Finding("still falling", f"'{name}' fell by {step:.3g} in the last tenth of the run, {step / fallen:.0%} "
                      "of all that it fell", "train longer: --steps or --budget", step / fallen)
    if rise > 0.25 * fallen:
        yield Finding("diverging", f"'{name}' ended {rise:.3g} above its best, {best:.4g}; it had begun at {first:.4g}",
                      "lower the learning rate, or clip the gradient", rise)


def average(case):
    """Whether the averaged weights, which samples are drawn with, are worse than the last ones."""
    run = case.run
    if run.ema is None or case.valid is None or not case.learned:
        return
    name, first, _ = case.learned
    last = case.valid_loss
    with run.ema.average():
        averaged = run.validate(case.valid).get(name, math.inf)
    worse = (averaged - last) / max(first - last, 1e-12)
    if first > last and worse > WORSE:
        yield Finding("average too young", f"with the averaged weights '{name}' is {averaged:.4g}, with the last ones "
                      f"{last:.4g}; it began at {first:.4g}; decay {run.ema.decay}, {run.ema.updates:,} updates",
                      "train longer, or lower the decay: 1 / (1 - decay) steps must be few beside the run", worse)


def by_heart(case):
    """Whether the training data were learned, and others were not."""
    if case.valid is None or not case.learned or not case.run.step:
        return
    name, first, _ = case.learned
    train, valid = case.run.validate(case.run.data).get(name, math.nan), case.valid_loss
    gap = (valid - train) / max(first - train, 1e-12)
    if first > train and (gap > WORSE or gap > 0.1 and valid > 3 * train > 0):
        yield Finding("overfitting", f"'{name}' is {train:.4g} on data that it was trained on and {valid:.4g} on "
                      f"others: {gap:.0%} of what it fell, from {first:.4g}, was learned by heart",
                      "stop sooner, more data, weight decay or dropout, a smaller network", gap)


CHECKS = [units, progress, rates, moved, loss_curve, average, by_heart]
