"""Why G is not trained on the loss of the game itself: where D is right, that loss is flat.

G stands still, D learns to tell its samples from data, and after every step both losses of G are asked for their
gradient. The minimax loss pulls on a sample by D, which goes to 0 as D becomes sure that it is none of the data; the
non-saturating loss pulls by 1 - D, which goes to 1. So with the first G stays where it is, the worse the surer D is;
with the second it leaves at once. G takes plain gradient steps here, whose length is that of the gradient: Adam
divides by it, and hides the trouble for a while. Writes 42_vanishing_gradient.png.
Course: 7.1, 7.3.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd import grad
from autograd.backend import rng
from minigen import data
from minigen.adversarial.objectives import GENERATOR_LOSSES
from minigen.models.adversarial import GAN, MLPDiscriminator, MLPGenerator
from minigen.optim import Adam, sgd
from minigen.train import Run, one_stage, train

STEPS = 600

points = data.load("eight_gaussians")
norms = {name: [] for name in GENERATOR_LOSSES}
models = {}
for name in GENERATOR_LOSSES:
    noise = rng(0)
    networks = MLPGenerator(2, (2,), rng=noise), MLPDiscriminator((2,), rng=noise)
    models[name] = GAN(*networks, points.spaces["x"], loss=name)
    D, G = models[name].players()
    adam, batches = Adam(D.params, 1e-3), points.batches(256, noise)
    for _ in range(STEPS):
        adam.step(grad(D.loss(next(batches), noise)["-V"], D.params))
        g = grad(G.loss(256, noise)[name], G.params)
        norms[name].append(np.sqrt(sum((p.numpy() ** 2).sum() for p in g)))
    first, *_, last = norms[name]
    print(f"{name:14} norm of G's gradient {first:.3f} after one step of D, {last:.2g} after {STEPS}")

figure, (left, middle, *right) = plt.subplots(1, 4, figsize=(18, 4.3), layout="constrained")
a = np.linspace(-8, 8, 200)
left.plot(a, 1 / (1 + np.exp(-a)), label="minimax: D")
left.plot(a, 1 / (1 + np.exp(a)), label="non-saturating: 1 - D")
left.set(title="pull on the logit of a sample", xlabel="logit of D: sure of a sample < 0 < taken for data")
for name, values in norms.items():
    middle.semilogy(np.arange(1, STEPS + 1), values, label=name)
middle.set(title="norm of G's gradient, G standing still", xlabel="steps of D")
for axes in left, middle:
    axes.legend(frameon=False)
for axes, (name, model) in zip(right, models.items()):
    before = model.sample(500, rng(1))
    train(Run(one_stage(model, sgd(0.05), STEPS, batch_size=256), points, rng=noise))
    after = model.sample(500, rng(1))
    way = np.linalg.norm(after - before, axis=1).mean()
    print(f"{name:14} both then play {STEPS} steps: samples move by {way:.2f}")
    axes.scatter(*points["x"][:1000].T, s=3, color="0.8")
    axes.scatter(*before.T, s=3, color="k", label="before")
    axes.scatter(*after.T, s=3, color="C3", label=f"after {STEPS} steps")
    axes.set(title=f"samples when both have played: {name}", xlabel="x1", ylabel="x2", xlim=(-5, 5), ylim=(-4.5, 5.5))
    axes.legend(loc="upper center", ncols=2, frameon=False, markerscale=3)
figure.savefig("42_vanishing_gradient.png", dpi=100)
print("wrote 42_vanishing_gradient.png")
