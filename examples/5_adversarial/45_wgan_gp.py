"""What a critic measures and a discriminator does not: how far the samples are from the data.

Data and samples are the same narrow Gaussian, `gap` apart, so the earth mover's distance is the gap. Once they do not
overlap, the divergence that D stands for is log 2, however far they are, and its slope at the samples, which should
pull them to the data, is 0. The critic's estimate goes on growing with the gap, and its slope at the samples stays
about 1: 1 + gap / (2 lambda), as a penalty is no bound. Writes 45_wgan_gp.png. Course: 1.7, 7.2, 12.8.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd import Tensor, grad, parameter, sigmoid, softplus
from autograd.backend import asarray, rng
from minigen.data import Space
from minigen.models.adversarial import GAN, WGANGP, MLPDiscriminator, MLPGenerator
from minigen.optim import Adam, cosine_decay

STEPS, SIGMA = 400, 0.3
GAPS = [0.0, 0.3, 0.6, 1.0, 1.5, 2.0, 3.0, 4.0]


def trained(Model, gap):
    """(a network that opposes a generator of N(0, SIGMA^2 I), the mean of its loss terms over the last fifth)."""
    noise = rng(0)
    generator, network = MLPGenerator(2, (2,), (), rng=noise), MLPDiscriminator((2,), (64, 64), rng=noise)
    for p, value in zip(generator.parameters(), (SIGMA * np.eye(2), 0.0)):  # G(z) = SIGMA z, and stays so
        p.data[...] = asarray(value)
    player, history = Model(generator, network, Space((2,))).players()[0], []
    adam = Adam(player.params, cosine_decay(3e-3), betas=(0.5, 0.9))
    for step in range(STEPS):
        x = SIGMA * noise.standard_normal((256, 2), dtype=np.float32) + np.float32([gap, 0])
        terms = player.loss({"x": x}, noise)
        adam.step(grad(next(iter(terms.values())), adam.params), done=step / STEPS)
        history.append([term.item() for term in terms.values()])
    return network, dict(zip(terms, np.mean(history[-STEPS // 5:], axis=0)))


def pull(loss):
    """The mean length of the slope of G's loss at samples."""
    x = parameter(SIGMA * rng(2).standard_normal((500, 2), dtype=np.float32))
    return np.linalg.norm(grad(loss(x).sum(), x).numpy(), axis=1).mean()


figure, (left, middle, right) = plt.subplots(1, 3, figsize=(17, 4.5), layout="constrained")
rows = []
for gap in GAPS:
    (f, critic), (a, D) = trained(WGANGP, gap), trained(GAN, gap)
    JSD = (np.log(4) - D["-V"]) / 2  # V = 2 JSD - log 4: gan.py, eq. 6; course 7.2
    rows.append([critic["distance"], JSD, pull(f), pull(lambda x, a=a: softplus(a(x)))])  # -f and log(1 - D)
    print("gap {:.1f}: by the critic {:5.2f}, by D {:.3f} nats; slopes {:.2f} and {:.1e}".format(gap, *rows[-1]))
distance, JSD, slope_f, slope_D = zip(*rows)
left.plot(GAPS, GAPS, "k--", label="earth mover's distance")
left.plot(GAPS, [gap * (1 + gap / 20) for gap in GAPS], "C0:", label="the same, with slope 1 + gap / 20")
left.plot(GAPS, distance, "C0o", label="the critic's estimate")
left.plot(GAPS, JSD, "C1o-", label="Jensen-Shannon divergence by D (nats)")
left.axhline(np.log(2), color="k", linestyle=":", label="log 2")
middle.plot(GAPS, slope_f, "o-", label="of -f")
middle.plot(GAPS, slope_D, "o-", label="of log(1 - D)")
x1 = np.linspace(-2, 6, 201, dtype=np.float32)
x = Tensor(np.stack([x1, 0 * x1], axis=1))
right.plot(x1, f(x).numpy() - f(x).numpy()[50], label="f(x) - f(0)")  # x1[50] is 0
right.plot(x1, sigmoid(a(x)).numpy(), label="D(x)")
for at, name in (0, "samples"), (gap, "data"):
    right.axvspan(at - 2 * SIGMA, at + 2 * SIGMA, color="0.88", zorder=0)
    right.text(at, -1.7, name, ha="center")
titles = "how far apart?", "slope at the samples of what G minimizes", f"at a gap of {gap:.0f}, along x1"
for axes, title, name in zip((left, middle, right), titles, ("gap", "gap", "x1")):
    axes.set(title=title, xlabel=name)
    axes.legend(frameon=False)
figure.savefig("45_wgan_gp.png", dpi=100)
print("wrote 45_wgan_gp.png")
