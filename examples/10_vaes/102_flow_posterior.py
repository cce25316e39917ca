"""Posteriors that flow, against diagonal Gaussians: on a target in the plane, and in VAEs of digits.

Above: q is fitted to a banana by its own draws, and KL(q || p) is left over. A diagonal Gaussian sits on one part of
it; planar maps fold it, a line at a time; IAF makes each number's place and width a function of those before it. Below:
in VAEs with two latents, trained for as many seconds. A better q buys the gap between the ELBO and log p(x), here the
bound of many draws, and costs steps; drawn is the digit for which it is widest. Writes 102_flow_posterior.png.
Course: 12.4.
"""
import time
from functools import partial

import matplotlib.pyplot as plt
import numpy as np

from autograd import Tensor, exp, grad, no_grad, parameter
from autograd.backend import normal, rng
from minigen import data
from minigen.densities import log_normal, log_normal_fixed, log_standard_normal
from minigen.flows.posterior import IAF, Planar
from minigen.importance import bound, weigh
from minigen.metrics import mean_interval
from minigen.models.autoencoders import VAE, FlowVAE
from minigen.optim import Adam, adamw, cosine_decay
from minigen.train import Run, one_stage, train

STEPS, SECONDS, DRAWS = 600, 6, 500
FLOWS = {"diagonal Gaussian": None, "planar, K = 8": partial(Planar, K=8), "IAF, 2 steps": partial(IAF, hidden=(64,))}


def draw(start, layer, n, noise):
    """z (n, 2) of q, and log q(z) - log p(z), (n,), for p(z) = N(z1 | 0, 1) N(z2 | z1^2 - 1, 0.5^2)."""
    mu, logvar = start
    z0 = mu + exp(0.5 * logvar) * normal(noise, (1, n, 2))
    z, logdet = layer(z0, Tensor([[1.0]])) if layer else (z0, 0.0)
    log_p = log_standard_normal(z[..., 0]) + log_normal_fixed(z[..., 1], z[..., 0] * z[..., 0] - 1.0, 0.5)
    return z[0], (log_normal(z0, mu, logvar).sum(axis=2) - logdet - log_p)[0]


digits, test = data.load("digits"), data.load("digits", "test")
bits = np.uint8(16 * data.binarize(test["x"], 17, rng(1)))  # drawn once: all are judged by the same
figure, (above, below) = plt.subplots(2, 3, figsize=(12, 7.4), layout="constrained")
grid = np.stack(np.meshgrid(*2 * [np.linspace(-4, 4, 101, dtype=np.float32)]), axis=-1)  # of the code's plane
for name, flow, upper, lower in zip(FLOWS, FLOWS.values(), above, below):
    noise = rng(0)
    start, layer = [parameter([0.0, 0.0]), parameter([0.0, 0.0])], flow and flow(2, 1, rng=noise)
    optimizer = Adam(start + (layer.parameters() if layer else []), cosine_decay(2e-2))
    for step in range(STEPS):
        optimizer.step(grad(draw(start, layer, 200, noise)[1].mean(), optimizer.params), done=step / STEPS)
    with no_grad():
        z, log_ratio = draw(start, layer, 20_000, noise)
    print("banana, {}: KL(q || p) {:.3f} ± {:.3f} nats".format(name, *mean_interval(log_ratio)))
    upper.plot(*z.numpy()[:2000].T, ".", markersize=2)
    upper.set(title=f"{name}: KL {log_ratio.mean().item():.2f} nats", xlim=(-3.2, 3.2), ylim=(-3, 7))
    model = FlowVAE(digits.spaces["x"], flow, latent=2, hidden=(200,), context=16, rng=noise) if flow else VAE(
        digits.spaces["x"], latent=2, hidden=(200,), rng=noise)
    plan = one_stage(model, adamw(cosine_decay(3e-3), weight_decay=0.3), steps=1, batch_size=100, ema=0.99)
    run = train(Run(plan, digits, rng=noise, budget=SECONDS), clock=time.process_time)
    with run.evaluating() as model, no_grad():
        log_w = weigh(model.log_weights, bits, DRAWS, model.likelihood, rng(1))
        elbo, gap = bound(log_w, 1), bound(log_w, DRAWS) - bound(log_w, 1)
        x, seen = model.likelihood.observe(bits[gap.argmax()][None], rng(2))
        log_p = model.log_prob(x, grid.reshape(1, -1, 2)) + log_standard_normal(grid.reshape(-1, 2)).sum(axis=1)
        z = model.infer(seen, normal(rng(3), (1, 400, 2)))[0].numpy()[0]
    print("digits test, {}: {:,} steps; -ELBO {:.2f} ± {:.2f}, gap {:.3f} ± {:.3f} nats".format(
        name, run.step, *mean_interval(-elbo), *mean_interval(gap)))
    lower.contourf(grid[0, :, 0], grid[0, :, 0], np.exp(log_p.numpy()).reshape(101, 101), levels=12, cmap="Blues")
    lower.plot(*z.T, ".", color="C1", markersize=2)
    lower.set(title=f"p(z | x) and q; mean gap {gap.mean():.2f}", xlim=(-3, 3), ylim=(-3, 3))
figure.savefig("102_flow_posterior.png", dpi=100)
print("wrote 102_flow_posterior.png")
