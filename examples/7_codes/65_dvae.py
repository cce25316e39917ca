"""A code of categories, and gradients through a draw of it: Gumbel-softmax, what its temperature costs, and a dVAE.

    g_k = -log(-log u_k),   y = softmax((log pi + g) / tau)          Jang, Gu & Poole 2017, eq. 2

The largest y_k is that of a category drawn from pi, whatever tau is; for small tau the others vanish. The gradient of
E[f(y)] is not that of E[f(z)], z one-hot, which a sum over the categories gives exactly: the bias falls with tau, and
the spread from draw to draw grows. Straight-through keeps z in the forward pass, and is not unbiased either.

The dVAE learns 20 numbers of 10 values each for a digit. Its relaxed loss is shown beside the bound that it stands for,
computed from draws of categories: only that one bounds log p(x). Writes 65_dvae.png.
Course: 5.3.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd import grad, parameter, softmax
from autograd.backend import rng
from minigen import data, latents, plot, recipes
from minigen.quantize.gumbel import gumbel_softmax, straight_through_gumbel
from minigen.train import Run, train

STEPS, SAMPLES = 3000, 100_000
PI, A = np.array([0.5, 0.3, 0.2]), np.array([-1.0, 0.2, 1.5])  # f(z) = (A z)^2
TAUS = np.geomspace(0.1, 4, 9)

figure = plt.figure(figsize=(15, 8.4), layout="constrained")
simplexes, below = figure.subfigures(2, 1, height_ratios=[1, 1.25])
corners = np.array([[0, 0], [1, 0], [0.5, 0.75**0.5]])
for axes, tau in zip(simplexes.subplots(1, 5), (5.0, 1.0, 0.5, 0.2, 0.05)):
    y = gumbel_softmax(np.tile(np.log(PI), (1000, 1)), tau, rng(0)).numpy()
    axes.fill(*corners.T, fill=False, color="0.6")
    axes.scatter(*(y @ corners).T, s=5, alpha=0.4, c=y.argmax(axis=1), cmap="Dark2", vmin=0, vmax=7)
    for k, (corner, at) in enumerate(zip(corners, ((-0.06, -0.1), (1.06, -0.1), (0.5, 0.93)))):
        axes.text(*at, f"{np.mean(y.argmax(axis=1) == k):.0%}", ha="center")
    axes.set(title=f"tau = {tau:g}", xlim=(-0.15, 1.15), ylim=(-0.15, 1.0), aspect="equal")
    axes.axis("off")
simplexes.suptitle("1,000 draws of y for pi = (0.5, 0.3, 0.2); at a corner: how often it is the nearest")

logits = parameter(np.log(PI))
exact = grad((softmax(logits) * A**2).sum(), [logits])[0].numpy()
left, middle, right = below.subplots(1, 3, width_ratios=[1.3, 1, 1])
for name, draw, color in ("Gumbel-softmax", gumbel_softmax, "C0"), ("straight-through", straight_through_gumbel, "C3"):
    bias, spread = [], []
    for tau in TAUS:
        rows = parameter(np.tile(np.log(PI), (SAMPLES, 1)))
        g = grad(((draw(rows, tau, rng(1)) * A).sum(axis=1) ** 2).sum(), [rows])[0].numpy()
        bias.append(np.linalg.norm(g.mean(axis=0) - exact))
        spread.append(np.sqrt(g.var(axis=0).sum()))
    left.loglog(TAUS, bias, "o-", color=color, label=f"{name}: bias")
    left.loglog(TAUS, spread, "--", color=color, label=f"{name}: standard deviation of one draw")
left.axhline(np.linalg.norm(exact), color="0.6", linewidth=1, label="length of the exact gradient")
left.set(title="gradient of E[f(z)] by draws, against a sum over z", xlabel="tau", ylim=(0.003, 6))
left.legend(frameon=False, fontsize=9, loc="lower right")

digits, test, noise = data.load("mnist10k"), data.load("mnist10k", "test").first(200), rng(0)
run = train(Run(recipes.find("dvae").plan(digits, noise), digits, rng=noise, steps=STEPS))
relaxed = run.model.loss(test.columns, noise)["loss"].item()
with run.evaluating() as model:
    elbo, bound, used = model.measure(test.columns, noise)
    print(f"relaxed loss {relaxed:.1f} nats, no bound; by draws of categories:", elbo, bound, used, sep="\n")
    below_each = plot.sheet(latents.reconstructions(model, test["x"][:32], columns=8), 8)
    samples = plot.sheet(model.sample(64, noise))
middle.imshow(below_each)
middle.set_title(f"test digits, what 20 numbers keep below\nrelaxed loss {relaxed:.1f}, -ELBO {elbo.value:.1f} nats")
right.imshow(samples)
right.set_title(f"samples\nbound of 1,000 draws of z {bound.number()}")
for axes in (middle, right):
    axes.axis("off")
figure.savefig("65_dvae.png", dpi=100)
print("wrote 65_dvae.png")
