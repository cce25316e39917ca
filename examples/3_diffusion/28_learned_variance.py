"""The variance of a diffusion's steps, learned: between beta and beta tilde there is a better one, at each t and pixel.

One network says eps, trained by its squared error, and v, trained by the bound alone; the bound is then measured with
the variance that v says and with the two fixed ones, for the same eps. Over all T steps the learned variance gains
little, over few of them it can gain much: there beta tilde, right for a single image, is far too sure, and beta too
wide. But v is trained on the whole process, where at all t but the first the two are so close that it hardly matters,
and it is learned last where few steps need it. Three networks, from three seeds; the differences are paired, image by
image. On the right, what v says, from beta tilde (0) to beta (1), and samples in 25 steps. Writes
28_learned_variance.png.
Course: 9.3, 9.8.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd import Tensor, no_grad
from autograd.backend import normal, rng, to_numpy
from minigen import data, plot, recipes
from minigen.metrics import mean_interval
from minigen.train import Run, train

STEPS, SAMPLES, T = 550, 150, 1000
FEW = [25, T]  # steps of the process
VARIANCES = {"beta": "beta", "beta_tilde": "beta tilde", "learned": "learned"}

digits, valid = data.load("digits"), data.load("digits", "valid").first(SAMPLES)
space = digits.spaces["x"]
x_0, shown = space.signed(valid["x"]), np.unique(np.geomspace(1, T, 25).astype(int))

figure, (gains, share, drawn) = plt.subplots(1, 3, figsize=(15, 4.4), layout="constrained")
for seed in range(3):
    noise = rng(seed)
    run = train(Run(recipes.find("improved_ddpm").plan(digits, noise), digits, rng=noise, steps=STEPS))
    model = run.model
    with run.evaluating():
        for i, steps in enumerate(FEW):
            bits = {name: model.bound(valid["x"], rng(1), steps, name) for name in VARIANCES}
            better = min("beta", "beta_tilde", key=lambda name: bits[name].mean())
            gain, half_width = mean_interval(bits[better] - bits["learned"])
            print(f"seed {seed}, {steps:4} steps: " + ", ".join(
                f"{VARIANCES[name]} {values.mean():.3f}" for name, values in bits.items())
                + f" bits/dim; learned is below {VARIANCES[better]} by {gain:.3f} ± {half_width:.3f}", flush=True)
            gains.errorbar(seed, gain, half_width, fmt="o", capsize=4, color=f"C{i}",
                           label=None if seed else f"in {steps} steps")
        with no_grad():
            v = [to_numpy(model.said(Tensor(model.schedule.q_sample(x_0, t, normal(noise, x_0.shape))),
                                     np.full(len(x_0), t))[1].data) for t in shown]
        samples = model.draw(normal(noise, (64, *space.shape)), model.schedule.levels(25), noise)
    share.semilogx(shown, [values.mean() for values in v], color=f"C{seed + 3}", label=f"seed {seed}")
    share.fill_between(shown, *np.quantile([values.ravel() for values in v], [0.1, 0.9], axis=1), alpha=0.15,
                       color=f"C{seed + 3}")
gains.axhline(0, color="k", linewidth=0.8)
gains.set(title=f"how far learned is below the better fixed one\nbits/dim, {len(valid)} valid digits", xlabel="seed",
          xticks=range(3), xlim=(-0.5, 2.5))
share.set(title="v: 0 is beta tilde, 1 is beta\nmean, and 10 % to 90 % of the pixels", xlabel="t")
drawn.imshow(plot.sheet(space.from_signed(samples), columns=8), interpolation="nearest")
drawn.set(title="samples in 25 steps", xticks=[], yticks=[])
for axes in (gains, share):
    axes.grid(alpha=0.3)
    axes.legend()
figure.savefig("28_learned_variance.png", dpi=110)
print("wrote 28_learned_variance.png")
