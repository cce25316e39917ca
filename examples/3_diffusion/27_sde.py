"""Three stochastic differential equations that take data apart, and the two that put them together again.

Above, on a line, with the exact score of two Gaussians: the densities of x_t, from the data on the left to noise on the
right, each divided by its width; white paths run back along the equation without noise, black ones along that with
noise: both are distributed as x_t is at every t. Below: how far samples are from the mixture, by calls of the score;
and a network trained on two moons by VE's loss: its samples, by 200 steps of Euler and Maruyama's, and its likelihood
by the equation without noise beside the density itself. Writes 27_sde.png. Course: 9.6, 9.7.
"""
from functools import partial

import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import asarray, normal, rng, to_numpy
from minigen import data, recipes
from minigen.diffusion import VE, VP, Mixture, SubVP, euler_maruyama, heun, predictor_corrector, recorded
from minigen.train import Run, train

STEPS, SAMPLES = 4000, 1000
CALLS = [10, 20, 50, 100, 200, 500]

p = Mixture([0.8, 0.2], [[0.3], [-1.2]], 0.2)
figure = plt.figure(figsize=(15, 8), layout="constrained")
top, bottom = figure.subfigures(2, 1)
for axes, sde in zip(top.subplots(1, 3), (VE(), VP(), SubVP())):
    levels, at = sde.levels(300, power=2.0), np.linspace(-3, 3, 200)[:, None]
    width = np.array([np.hypot(level.a * p.draw(2000, rng(0))[0].std(), level.s) for level in levels])
    density = [w * np.exp(to_numpy(p.log_p(asarray(at * w), level).data)) for w, level in zip(width, levels)]
    t = np.array([level.t for level in levels])
    axes.pcolormesh(t, at[:, 0], np.array(density).T, shading="nearest", vmax=0.8)
    for sampler, color in ((heun, "w"), (partial(euler_maruyama, sde=sde), "k")):
        frames, x_T = [], levels[0].s * asarray([[-1.5], [-0.5], [0.4], [1.4]])
        sampler(recorded(p.denoise, frames), x_T, levels, rng=rng(1))
        where = {level.t: to_numpy(x)[:, 0] for level, x, _ in frames}  # Heun's calls at a level: the last counts
        axes.plot(list(where), np.array(list(where.values())) / width[:-1, None], color, linewidth=0.9)
    axes.set(title=type(sde).__name__, xlabel="t", ylabel="x_t over its width", ylim=(-3, 3))

sde, (errors, drawn, likelihood) = VE(), bottom.subplots(1, 3)
plain = partial(euler_maruyama, sde=sde)
SAMPLERS = {"Euler-Maruyama": (plain, 1), "predictor-corrector": (partial(predictor_corrector, predictor=plain), 2),
            "without noise, Heun": (heun, 2)}
truth = np.sort(p.draw(20 * SAMPLES, rng(3))[0], axis=0)
for name, (sampler, each) in SAMPLERS.items():
    distances = []
    for calls in CALLS:
        noise = rng(2)
        x_T = sde.s(1.0) * normal(noise, truth.shape, np.float64)
        x = sampler(p.denoise, x_T, sde.levels(calls // each), rng=noise)
        distances.append(np.abs(np.sort(to_numpy(x), axis=0) - truth).mean())
    print(f"{name:20}", *(f"{calls} calls: {distance:.4f}" for calls, distance in zip(CALLS, distances)))
    errors.loglog(CALLS, distances, "o-", label=name)
errors.set(title="VE, exact score: Wasserstein distance to the data", xlabel="calls of the score")
errors.legend()

moons, noise = data.load("two_moons"), rng(0)
run = train(Run(recipes.find("ve_sde").plan(moons, noise), moons, rng=noise, steps=STEPS))
x = data.load("two_moons", "test")["x"][:SAMPLES]
exact = data.toys.log_density("two_moons")(x)
with run.evaluating():
    samples = run.model.sample(SAMPLES, noise)
    log_p = run.model.log_likelihood(asarray(x), noise)
print(f"two moons, {len(x)} of the test split: -log p = {-log_p.mean():.3f} nats by the network, "
      f"{-exact.mean():.3f} by the density itself; of each point they differ by {np.abs(log_p - exact).mean():.3f}")
drawn.scatter(*samples.T, s=2)
drawn.set(title=f"two moons: {SAMPLES} samples", aspect="equal")
likelihood.scatter(exact, log_p, s=2)
likelihood.plot([-6, -1], [-6, -1], "k:")
likelihood.set(title="log p of test points, nats", xlabel="the density's", ylabel="the network's", ylim=(-7, -1))
figure.savefig("27_sde.png", dpi=100)
print("wrote 27_sde.png")
