"""Langevin's walk follows the slope of a density, and forgets how much of it lies where: annealed, it remembers.

Four fifths of the data lie above on the right, one fifth below on the left, and nothing between. Walks from a uniform
square end where the nearest slope leads them: half here and half there along the exact score, and by chance along a
learnt one, which knows nothing of the way between. A noise conditional score network learns the scores of the data
under fifteen amounts of noise; walked down from the noisiest, where the two modes are one, the shares come out right
(Song & Ermon 2019, figure 3). Below are the learnt fields: under much noise they lead from everywhere to the data,
under little they are known near the data only. Writes 26_ncsn.png. Course: 9.5.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import asarray, normal, rng, to_numpy
from minigen.data import Dataset, Space
from minigen.diffusion import Mixture, annealed_langevin, convert, geometric_levels
from minigen.energy import langevin
from minigen.models.diffusion import NCSN
from minigen.nn import TimedMLP
from minigen.optim import adam, cosine_decay
from minigen.train import Run, one_stage, train

STEPS, SAMPLES = 4500, 3000
SHOWN = [0, 5, 10, 14]  # of the fifteen levels
WALK, BOX = {"steps": 65, "rate": 0.5}, {"xlim": (-11, 11), "ylim": (-11, 11), "xticks": [], "yticks": []}

p = Mixture([0.8, 0.2], [[5.0, 5.0], [-5.0, -5.0]], 1.0)
noise = rng(0)
x = np.float32(p.draw(20_000, noise)[0])
data = Dataset("mixture", "train", {"x": x}, {"x": Space((2,))}, "two Gaussians")
model = NCSN(TimedMLP(2, (64, 64, 64), rng=noise), geometric_levels(15, 0.1, 10.0), data.spaces["x"])
run = train(Run(one_stage(model, adam(cosine_decay(1e-2)), STEPS, 512, ema=(model.network, 0.99)), data, rng=noise))


def learnt(x, level):
    return to_numpy(convert(model.denoise(asarray(x, np.float32), level), "x0", "score", asarray(x), level))


def field_error(level):  # in L2, relative, where the density is above 1e-3 of its maximum
    z = x[:10_000] + level.s * rng(1).standard_normal((10_000, 2))
    log_p = to_numpy(p.log_p(z, level).data)
    z = z[log_p > log_p.max() + np.log(1e-3)]
    truth = to_numpy(p.score(z, level))
    return np.sqrt(((learnt(z, level) - truth) ** 2).sum() / (truth**2).sum())


with run.evaluating():
    start, noisy = rng(2).uniform(-8, 8, (SAMPLES, 2)), model.levels[0].s * normal(rng(3), (SAMPLES, 2))
    drawn = {
        "examples": x[:SAMPLES],
        "plain walk, exact score": langevin(p.score, start, 1000, 0.1, rng=rng(4)),
        "plain walk, learnt score": langevin(lambda z: learnt(z, model.levels[-2]), start, 1000, 0.1, rng=rng(4)),
        "annealed, exact score": annealed_langevin(p.denoise, noisy, model.levels, rng=rng(5), **WALK),
        "annealed, learnt scores": annealed_langevin(model.denoise, noisy, model.levels, rng=rng(5), **WALK)}
    errors = [field_error(level) for level in model.levels[:-1]]
    at = np.stack(np.meshgrid(*[np.linspace(-11, 11, 20)] * 2), axis=-1).reshape(-1, 2)
    fields = [learnt(at, model.levels[i]) for i in SHOWN]
print("the field's error by sigma:", *(f"{level.s:.2f}: {e:.3f}" for level, e in zip(model.levels, errors)))

top, bottom = (figure := plt.figure(figsize=(15, 6.8), layout="constrained")).subfigures(2, 1)
for axes, (name, z) in zip(top.subplots(1, 5), drawn.items()):
    share = (to_numpy(z).sum(axis=1) > 0).mean()
    print(f"{name:25} {share:.3f} above on the right, of 0.8 (± {1.96 * 0.4 / np.sqrt(SAMPLES):.3f})")
    axes.scatter(*to_numpy(z).T, s=1)
    axes.set(title=f"{name}: {share:.2f}", aspect="equal", **BOX)
for axes, i, s in zip(bottom.subplots(1, 4), SHOWN, fields):
    axes.scatter(*(x[:1000] + model.levels[i].s * rng(6).standard_normal((1000, 2))).T, s=1, color="0.8")
    axes.quiver(*at.T, *(s / np.linalg.norm(s, axis=1, keepdims=True)).T, angles="xy", scale=28, width=0.004)
    axes.set(title=f"sigma = {model.levels[i].s:.2g}: field's error {errors[i]:.1%}", aspect="equal", **BOX)
figure.savefig("26_ncsn.png", dpi=100)
print("wrote 26_ncsn.png")
