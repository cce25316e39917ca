"""Real NVP on two moons: from data to latents and back, and the density that comes with it.

Couplings are invertible, so the map that makes the moons Gaussian is, run backwards, the one that draws
moons. The grid shows it: neighbours stay neighbours, and the plane is never torn, so that a thin bridge is
left between the two moons. The true density is known here, and so is the least NLL that any model can have.
Writes 32_realnvp_two_moons.png.
Course: 8.1, 12.6.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd import no_grad
from autograd.backend import rng
from minigen import data, recipes
from minigen.train import Run, train

STEPS = 1000

moons, test = data.load("two_moons"), data.load("two_moons", "test")
noise = rng(0)
run = train(Run(recipes.find("realnvp").plan(moons, noise), moons, rng=noise, steps=STEPS))
model = run.model.eval()

print(test.note)
print(model.measure(test.columns, noise)[0])
print(f"no model can be below the entropy, {-data.log_density('two_moons')(test['x']).mean():.3f} nats")
x, moon = test["x"][:3000], test["y"][:3000]
print(f"there and back: largest error {np.abs(model.decode(model.encode(x)) - x).max():.1e} in float32")

figure, axes = plt.subplots(1, 4, figsize=(17, 4.4), layout="constrained", width_ratios=[1, 1, 1, 1.2])
axes[0].scatter(*x.T, c=moon, s=3, cmap="coolwarm")
axes[0].set_title("data x")
axes[1].scatter(*model.encode(x).T, c=moon, s=3, cmap="coolwarm")
for radius in 1, 2, 3:
    axes[1].add_patch(plt.Circle((0, 0), radius, fill=False, linestyle="--", zorder=3))
axes[1].set_title("latents z = f(x), and N(0, I)")

along = np.linspace(-2.5, 2.5, 300)
for fixed in np.linspace(-2.5, 2.5, 21):
    for line in (np.full(300, fixed), along), (along, np.full(300, fixed)):
        axes[2].plot(*model.decode(np.stack(line, axis=1)).T, color="#2a6fb0", linewidth=0.5)
axes[2].plot(*model.sample(1000, noise).T, "k.", markersize=2)
axes[2].set_title("samples, and the grid of z in x")

at = np.linspace(-4, 4, 200)
with no_grad():
    log_p = model.log_prob(np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)).numpy().reshape(200, 200)
print(f"the density sums to {np.exp(log_p).sum() * (at[1] - at[0]) ** 2:.4f} on [-4, 4]^2")
image = axes[3].imshow(np.exp(log_p), origin="lower", extent=[-4, 4, -4, 4])
figure.colorbar(image, ax=axes[3])
axes[3].set_title("density p(x)")
for panel, name in zip(axes, "xzxx"):
    panel.set(xlabel=f"{name}1", ylabel=f"{name}2", xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
figure.savefig("32_realnvp_two_moons.png", dpi=110)
print("wrote 32_realnvp_two_moons.png")
