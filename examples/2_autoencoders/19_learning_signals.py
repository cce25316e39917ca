"""What is to be made small? Two Gaussians for three modes, fitted by four divergences; and data learned by heart.

Two Gaussians cannot be three. Which mistake is made is the divergence's choice: forward KL, maximum likelihood, has a
wide one over two modes; reverse KL leaves a mode out and has the others sharp; none is best by all. Last, a Gaussian on
each of 50 draws: the narrower, the likelier are these, and the less likely are others. Writes 19_learning_signals.png.
Course: 1.5, 1.6, 1.7.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd import as_tensor, grad, log_softmax, logsumexp, parameter
from autograd.backend import rng
from minigen.data import Space
from minigen.densities import log_normal
from minigen.divergences import jensen_shannon, kl, wasserstein_1d
from minigen.models.basics import KernelDensity
from minigen.optim import Adam, cosine_decay

STEPS = 1500
W, MU, SIGMA = np.array([0.4, 0.35, 0.25]), np.array([-4.0, 0.0, 3.5]), np.array([0.6, 0.6, 0.6])
cell, x = 0.05, np.arange(-8, 9, 0.05) + 0.025  # x: (M,), the middles of cells


def log_mixture(log_w, mu, logvar):
    """log sum_k w_k N(x; mu_k, sigma_k^2) at the points x: parameters (..., K) -> (..., M)."""
    return logsumexp(log_w[..., None] + log_normal(x, mu[..., None], logvar[..., None]), axis=-2)


log_p = log_mixture(*map(as_tensor, (np.log(W), MU, 2 * np.log(SIGMA)))).numpy()
SIGNALS = {"forward KL": kl, "reverse KL": lambda log_p, log_q, cell: kl(log_q, log_p, cell),
           "Jensen-Shannon": jensen_shannon, "Wasserstein": wasserstein_1d}


def fitted(divergence):
    """log q (M,) of the best of 12 fits of two Gaussians: there are bad valleys."""
    theta = [parameter(scale * rng(0).uniform(-5, 5, (12, 2))) for scale in (0, 1, 0)]  # logits of w, mu, logvar
    q = lambda: log_mixture(log_softmax(theta[0], axis=-1), *theta[1:])  # (12, M)
    optimizer = Adam(theta, cosine_decay(0.05))
    for step in range(STEPS):
        optimizer.step(grad(divergence(log_p, q(), cell).sum(), theta), done=step / STEPS)
    return q().numpy()[divergence(log_p, q(), cell).numpy().argmin()]


fits = {name: fitted(divergence) for name, divergence in SIGNALS.items()}
table = np.array([[f(log_p, log_q, cell).item() for f in SIGNALS.values()] for log_q in fits.values()])
k = rng(1).choice(3, 20_050, p=W)
draws, entropy = np.float32(MU[k] + SIGMA[k] * rng(2).standard_normal(len(k))), -cell * (np.exp(log_p) * log_p).sum()
for (name, log_q), row in zip(fits.items(), table):
    print(f"{name:14}  NLL of draws {-np.interp(draws, x, log_q).mean():.3f}, KL + entropy {row[0] + entropy:.3f}")
model, bandwidths = KernelDensity(Space((1,)), draws[:50, None]), np.geomspace(0.01, 3, 60)
curves = {"the 50 themselves": lambda h: model.log_prob(draws[:50, None], h),
          "20,000 others": lambda h: model.log_prob(draws[50:, None], h), "the 50, each left out": model.leave_one_out}

figure, panels = plt.subplot_mosaic([list("abcd"), list("eeff")], figsize=(14, 7), layout="constrained")
for axes, (name, log_q) in zip(panels.values(), fits.items()):
    axes.fill_between(x, np.exp(log_p), color="0.85")
    axes.plot(x, np.exp(log_q))
    axes.set(title=f"least {name}\n(data gray, model blue)", ylim=(0, 0.42), yticks=[], xlabel="x")
panels["e"].imshow(table / table.min(axis=0), cmap="Blues", vmin=1, vmax=30, aspect="auto")
for (i, j), value in np.ndenumerate(table):
    panels["e"].text(j, i, f"{value:.3f}", ha="center", va="center", weight="bold" if i == j else "normal")
panels["e"].set(title="each fit, measured by each", xticks=range(4), xticklabels=fits, yticks=range(4),
                yticklabels=[f"least {name}" for name in fits])
for (name, log_prob), style in zip(curves.items(), ("-", "-", "--")):
    panels["f"].semilogx(bandwidths, [-log_prob(h).mean() for h in bandwidths], style, label=name)
panels["f"].axhline(entropy, color="k", linestyle=":", label="entropy of p: the least on others")
panels["f"].set(title="a Gaussian on each of 50 draws", xlabel="their bandwidth h", ylabel="NLL in nats", ylim=(-1, 6))
panels["f"].legend(frameon=False)
figure.savefig("19_learning_signals.png", dpi=110)
print("wrote 19_learning_signals.png")
