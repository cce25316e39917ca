"""Denoising diffusion on digits, first written openly: the schedule, the loss, the loop and the sampler are all here.

Then comes `minigen train ddpm`, the same with more care: another schedule, a learning rate that rises and falls,
clipped gradients, averaged weights. The picture shows samples of both; how three of the first come about, x_t above and
the network's guess at x_0 below; and how much each t contributes in the second to the bound on -log p(x): the last few
steps, which decide the gray levels, cost most. The film, 22_ddpm.gif, shows the first. Writes 22_ddpm.png.
Course: 9.3, 9.4.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd import grad, mse_loss, no_grad
from autograd.backend import asarray, normal, rng, to_numpy
from minigen import data, plot, recipes
from minigen.diffusion import ancestral_tilde, linear_schedule, step_term
from minigen.evaluate import evaluate
from minigen.models.diffusion import DDPM
from minigen.nn import UNet
from minigen.optim import Adam
from minigen.train import Run, train

STEPS, SAMPLES, T = 1800, 36, 1000
SHOWN = [1000, 700, 500, 400, 300, 200, 100, 50, 20, 1]  # t

digits, test = data.load("digits"), data.load("digits", "test").first(10 * SAMPLES)
space, noise = digits.spaces["x"], rng(0)
x = space.signed(digits["x"])  # (1000, 1, 8, 8) on [-1, 1]
beta = np.append(0, np.linspace(1e-4, 0.02, T)).astype(np.float32)  # of t = 0..T
alpha_bar = np.cumprod(1 - beta)

network = UNet(1, width=16, multipliers=(1, 2), blocks=1, rng=noise)
adam = Adam(network.parameters(), 2e-3)
for step in range(STEPS):  # algorithm 1
    x_0 = x[noise.integers(len(x), size=64)]
    t = noise.integers(1, T + 1, size=64)
    eps = normal(noise, x_0.shape)
    a, s = (asarray(np.sqrt(share[t])).reshape(-1, 1, 1, 1) for share in (alpha_bar, 1 - alpha_bar))
    loss = mse_loss(network(a * x_0 + s * eps, t), eps)
    adam.step(grad(loss, adam.params))

x_t, path = normal(noise, (SAMPLES, *space.shape)), {}
for t in range(T, 0, -1):  # algorithm 2
    with no_grad():
        eps = network(x_t, np.full(SAMPLES, t)).data
    path[t] = x_t, (x_t - np.sqrt(1 - alpha_bar[t]) * eps) / np.sqrt(alpha_bar[t])
    z = normal(noise, x_t.shape) if t > 1 else np.float32(0)
    x_t = (x_t - beta[t] / np.sqrt(1 - alpha_bar[t]) * eps) / np.sqrt(1 - beta[t]) + np.sqrt(beta[t]) * z
plot.gif([space.from_signed(path[t][0]) for t in range(T, 0, -20)] + [space.from_signed(x_t)], "22_ddpm.gif")

run = train(Run(recipes.find("ddpm").plan(digits, noise), digits, rng=noise, steps=STEPS))
models = {"openly": DDPM(network, linear_schedule(T), space, ancestral_tilde, 50), "recipe": run.model}
with run.evaluating():
    careful = run.model.sample(SAMPLES, noise)
    for name, model in models.items():
        print(*(f"{name}: {measure}" for measure in evaluate(model, test, noise, train=digits)), sep="\n")
    x_0, shown = space.signed(test["x"]), np.unique(np.geomspace(2, T, 25).astype(int))
    L = [step_term(model.denoise, x_0, np.full(len(x_0), t), model.schedule, noise).mean() for t in shown]

figure = plt.figure(figsize=(16, 4.4), layout="constrained")
left, story, right, terms = figure.subplots(1, 4, width_ratios=[1, 1.75, 1, 1.1])
rows = space.from_signed(np.stack([to_numpy(path[t][i][n]) for n in range(3) for i in (0, 1) for t in SHOWN]))
for axes, title, images, columns in ((left, f"{SAMPLES} samples of the open program", space.from_signed(x_t), 6),
                                     (story, f"x_t, and the guess at x_0\nt = {SHOWN}", rows, len(SHOWN)),
                                     (right, "of the recipe, in 50 steps", careful, 6)):
    axes.imshow(plot.sheet(images, columns), interpolation="nearest")
    axes.set(title=title, xticks=[], yticks=[])
terms.loglog(shown, np.array(L) / (np.log(2) * space.size), ".-")
terms.set(title="L_{t-1} on the test digits, bits/dim", xlabel="t")
figure.savefig("22_ddpm.png", dpi=110)
print("wrote 22_ddpm.png")
