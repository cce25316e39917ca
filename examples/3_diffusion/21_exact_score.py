"""A diffusion without a network: where the density is known, so is the score, and samplers can be seen at work.

For eight Gaussians the mean of x_0 given x_t is a formula. With it, every sampler is right over 1000 steps. Over few
they differ: with variance beta the ancestral sampler leaves noise behind; with beta_tilde it draws the clouds too
tight, and so does DDIM, a little less. On the left, paths from three starts: DDIM bends towards a cloud, the
ancestral samplers wander. Writes 21_exact_score.png.
Course: 9.3, 9.5.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import asarray, normal, rng, to_numpy, xp
from minigen import data
from minigen.diffusion import ancestral, ancestral_tilde, cosine_schedule, ddim, recorded

N, SOME = 4000, [5, 10, 20, 1000]
SAMPLERS = {"ancestral, beta": ancestral, "ancestral, beta tilde": ancestral_tilde, "DDIM": ddim}

schedule = cosine_schedule(1000)
scale = 3.0  # the data divided by it has about unit variance, as the schedule expects
centres, sigma2 = data.EIGHT_CENTRES / scale, (data.EIGHT_SIGMA / scale) ** 2  # (8, 2)


def denoise(x_t, level):
    """E[x_0 | x_t]: each centre k pulls with its probability p(k | x_t), Gaussian around a c_k."""
    variance = level.a**2 * sigma2 + level.s**2
    c = asarray(centres)
    away = x_t[:, None] - level.a * c  # (N, 8, 2)
    logits = -0.5 * (away**2).sum(axis=2) / variance  # (N, 8)
    p = xp.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    x_0 = c + level.a * sigma2 / variance * away  # (N, 8, 2): given k
    return (p[:, :, None] * x_0).sum(axis=1)


figure, rows = plt.subplots(3, 5, figsize=(14, 8.4), sharex=True, sharey=True, layout="constrained")
for (name, sampler), (paths, *panels) in zip(SAMPLERS.items(), rows):
    frames, start = [], asarray(np.array([[1.2, 1.2], [-0.4, -1.5], [-1.5, 0.4]]))
    sampler(recorded(denoise, frames), start, schedule.levels(), rng=rng(3))
    for path in np.stack([to_numpy(x_t) for _, x_t, _ in frames], axis=1):  # (1000, 2)
        paths.plot(*path.T, linewidth=0.8)
        paths.plot(*path[0], "k.")
    paths.scatter(*centres.T, s=60, color="0.85", zorder=0)
    paths.set(ylabel=name, title="three paths, 1000 steps" if sampler is ancestral else None)
    for steps, axes in zip(SOME, panels):
        x_T = normal(rng(1), (N, 2), np.float64)
        x = to_numpy(sampler(denoise, x_T, schedule.levels(steps), rng=rng(2)))
        nearest = ((x[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        width = np.sqrt(((x - centres[nearest]) ** 2).mean() / sigma2)
        axes.scatter(*x.T, s=1, alpha=0.4)
        axes.set_title(f"{steps} steps: width {width:.2f}", fontsize=10)
        print(f"{name:22} {steps:4} steps: the clouds' standard deviation is {width:.2f} times what it should be")
for axes in rows.flat:
    axes.set(xlim=(-1.7, 1.7), ylim=(-1.7, 1.7), aspect="equal", xticks=[], yticks=[])
figure.savefig("21_exact_score.png", dpi=110)
print("wrote 21_exact_score.png")
