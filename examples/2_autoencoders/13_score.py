"""A denoiser points to where the data are: its correction, divided by sigma^2, is the gradient of a log-density.

The network has only ever been told to take noise out of points. The density of noisy points around a finite training
set is known, a sum of N Gaussians, and so is the gradient of its logarithm: what the network says is that gradient.
Following it, with a little noise, draws points like the data, and at the end they are denoised. Where the noise leaves
open which arm a point belongs to, it ends between them: a mean of examples need not be one. Writes 13_score.png.
Course: 3.4, 9.5.
"""
import matplotlib.pyplot as plt
import numpy as np
from scipy.special import softmax

from autograd import silu
from autograd.backend import rng, to_numpy
from minigen import data
from minigen.models.autoencoders import DenoisingAutoencoder
from minigen.nn import MLP
from minigen.optim import adam, cosine_decay
from minigen.train import Run, one_stage, train

STEPS = 4000
SIGMA = 0.3

points = data.load("two_moons")
noise = rng(0)
network = MLP((2, 128, 128, 2), silu, rng=noise)
model = DenoisingAutoencoder(network, points.spaces["x"], SIGMA)
train(Run(one_stage(model, adam(cosine_decay(1e-2)), STEPS, batch_size=500), points, rng=noise))


def exact(x):
    """The gradient of log mean_i N(x | x_i, sigma^2 I) over the training points x_i, at x (N, 2)."""
    apart = ((x[:, None] - points["x"]) ** 2).sum(axis=2)  # (N, points)
    return (softmax(-0.5 * apart / SIGMA**2, axis=1) @ points["x"] - x) / SIGMA**2


x = to_numpy(model.corrupt(points["x"][:1000], noise))
truth, error = exact(x), to_numpy(model.score(x)) - exact(x)
print(f"relative error of the score where noisy points are: {np.sqrt((error**2).sum() / (truth**2).sum()):.1%}")

at = np.stack(np.meshgrid(np.linspace(-4, 4, 27), np.linspace(-2.6, 2.6, 18)), axis=-1).reshape(-1, 2)
at = at.astype(np.float32)
figure, panels = plt.subplots(1, 3, figsize=(17, 3.9), layout="constrained")
said = to_numpy(model.score(at))
fields = {"what the denoiser says: (r(x) - x) / sigma^2": said, "exact: grad log p_sigma(x)": exact(at)}
for axes, (title, field) in zip(panels, fields.items()):
    axes.scatter(*points["x"][:2000].T, s=3, color="0.8")
    length = np.linalg.norm(field, axis=1)
    arrows = axes.quiver(*at.T, *(field / length[:, None]).T, length, angles="xy", scale=35, width=0.004, clim=(0, 15))
    axes.set(title=title)
figure.colorbar(arrows, ax=panels, label="length of the gradient")
panels[2].scatter(*points["x"][:2000].T, s=3, color="0.8")
panels[2].scatter(*model.sample(1000, noise).T, s=3)
panels[2].set(title=f"drawn by {model.steps} steps along it, with noise (blue)")
for axes in panels:
    axes.set(xlabel="x1", ylabel="x2", aspect="equal", xlim=(-4.2, 4.2), ylim=(-2.8, 2.8))
figure.savefig("13_score.png", dpi=110)
print("wrote 13_score.png")
