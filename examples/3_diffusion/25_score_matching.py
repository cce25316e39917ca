"""Four ways to learn the slope of a log-density, grad log p, from examples: all have the same minimum.

The explicit loss asks for the score itself, which is known only here, where p is a mixture of Gaussians. By parts it
becomes the implicit one, which asks for the network's own derivatives; sliced, along a random direction only; and the
denoising one asks to name the noise that was added, which costs no derivative, but answers for the blurred density
p_sigma. The same network, examples and steps each. The colour is the length of the arrows; they are right where points
are, and nobody told them what to be elsewhere. Writes 25_score_matching.png. Course: 9.5.
"""
import time

import matplotlib.pyplot as plt
import numpy as np

from autograd import Tensor, grad, no_grad, silu
from autograd.backend import asarray, normal, rng, to_numpy
from minigen.diffusion import Level, Mixture
from minigen.diffusion.score_matching import denoising, explicit, implicit, signs, sliced
from minigen.nn import MLP
from minigen.optim import Adam, cosine_decay

STEPS, BATCH, SIGMA = 2000, 256, 0.2

p = Mixture([0.8, 0.2], [[1.2, 0.8], [-1.2, -0.8]], 0.6)
blurred = Level(1.0, SIGMA, 0)
LOSSES = {  # (network, x, generator) -> (N,)
    "explicit": lambda s, x, noise: explicit(s, x, p.score(x)),
    "implicit": lambda s, x, noise: implicit(s, x),
    "sliced": lambda s, x, noise: sliced(s, x, signs(noise, x.shape, x.dtype)),
    "denoising": lambda s, x, noise: denoising(s, x, normal(noise, x.shape), SIGMA)}


def fit(loss):
    noise = rng(0)
    network = MLP((2, 64, 64, 2), silu, rng=noise)
    adam = Adam(network.parameters(), cosine_decay(5e-3))
    for step in range(STEPS):
        x = asarray(p.draw(BATCH, noise)[0], np.float32)
        adam.step(grad(loss(network, x, noise).mean(), adam.params), done=step / STEPS)
    return network


def field(network, x):
    with no_grad():
        return to_numpy(network(Tensor(asarray(x, np.float32))).data)


error = lambda s, truth: np.sqrt(((s - truth) ** 2).sum() / (truth**2).sum())
test = p.draw(20_000, rng(1))[0]
noisy = test + SIGMA * rng(2).standard_normal(test.shape)
at = np.stack(np.meshgrid(np.linspace(-3.4, 3.4, 23), np.linspace(-2.8, 2.8, 19)), axis=-1).reshape(-1, 2)
fields = {"grad log p": to_numpy(p.score(at))}
for name, loss in LOSSES.items():
    start = time.process_time()
    network = fit(loss)
    seconds = time.process_time() - start
    of_p = error(field(network, test), to_numpy(p.score(test)))
    of_blurred = error(field(network, noisy), to_numpy(p.score(noisy, blurred)))
    fields[f"{name}: {of_p:.1%} ({of_blurred:.1%} of p_sigma)"] = field(network, at)
    print(f"{name:9}  relative L2 error of the field: {of_p:.1%} of grad log p, {of_blurred:.1%} of grad log p_sigma  "
          f"({1000 * seconds / STEPS:.1f} ms of CPU a step)")

figure, panels = plt.subplots(1, 5, figsize=(19, 3.6), sharey=True, layout="constrained")
for axes, (title, s) in zip(panels, fields.items()):
    axes.scatter(*test[:1500].T, s=2, color="0.8")
    length = np.linalg.norm(s, axis=1)
    arrows = axes.quiver(*at.T, *(s / length[:, None]).T, length, angles="xy", scale=30, width=0.005, clim=(0, 8))
    axes.set(title=title, xlim=(-3.5, 3.5), ylim=(-2.9, 2.9), aspect="equal", xlabel="x1", ylabel="x2")
figure.colorbar(arrows, ax=panels, label="length of the arrows", pad=0.01)
figure.savefig("25_score_matching.png", dpi=100)
print("wrote 25_score_matching.png")
