"""What is a network asked for? The noise, the image, or at each amount of noise what is better known: EDM's answer.

One small network is trained three times on eight Gaussians under noise sigma, and its denoiser is compared with the
exact one. Asked for the noise, its errors are multiplied by sigma, and useless where there is much; asked for the
image, it has to hand through what it sees where there is little. EDM's c_skip and c_out lead from the one to the other,
such that the target has variance 1 everywhere. Below, samples by Heun's method; on the right, their distance to data by
calls of the network, with other examples as the floor. Writes 241_edm.png.
Course: 12.13.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import asarray, rng, to_numpy
from minigen import data
from minigen.diffusion import Level, Mixture, heun, karras_levels
from minigen.models.diffusion import EDM
from minigen.nn import TimedMLP
from minigen.optim import adam, cosine_decay
from minigen.sliced import sliced_wasserstein
from minigen.train import Run, one_stage, train

STEPS, SAMPLES, CALLS = 1200, 2000, [5, 9, 17, 35, 71]
SIGMAS = np.geomspace(0.01, 80, 25)


class Noise(EDM):  # D = x - sigma F
    c_skip = staticmethod(lambda sigma: 1.0 + 0.0 * sigma)
    c_out = staticmethod(lambda sigma: -sigma)


class Image(EDM):  # D = sd F
    c_skip = staticmethod(lambda sigma: 0.0 * sigma)
    c_out = lambda self, sigma: self.sd + 0.0 * sigma


eight, p = data.load("eight_gaussians"), Mixture(np.full(8, 1 / 8), data.EIGHT_CENTRES, data.EIGHT_SIGMA)
sd = float(eight["x"].std())
x, others = (p.draw(SAMPLES, rng(seed))[0] for seed in (1, 2))
distance = lambda drawn: sliced_wasserstein(np.float64(drawn), x, rng(3))
print(f"sliced Wasserstein distance of other examples, N = {SAMPLES}: {(floor := distance(others)):.3f}")

figure, ((coefficients, errors, curves), panels) = plt.subplots(2, 3, figsize=(14, 8), layout="constrained")
ASKED = {"the noise": Noise, "the image": Image, "EDM's mixture": EDM}
for color, panel, (name, make) in zip(("C0", "C1", "C2"), panels, ASKED.items()):
    noise = rng(0)
    model = make(TimedMLP(2, (64, 64, 64), rng=noise), eight.spaces["x"], sd=sd, mean=-0.5, std=1.6)
    run = train(Run(one_stage(model, adam(cosine_decay(5e-3)), STEPS, 256, ema=0.99), eight, rng=noise))
    off, distances = [], []
    with run.evaluating():
        for sigma in SIGMAS:
            level, x_t = Level(1.0, sigma, sigma), asarray(x + sigma * rng(4).standard_normal(x.shape), np.float32)
            off.append(np.sqrt(((to_numpy(model.denoise(x_t, level)) - p.denoise(to_numpy(x_t), level)) ** 2).mean()))
        for calls in CALLS:
            x_T = asarray(80.0 * rng(5).standard_normal(x.shape), np.float32)
            distances.append(distance(drawn := to_numpy(heun(model.denoise, x_T, karras_levels((calls + 1) // 2)))))
    print(f"{name}: D is off by", *(f"{off[i]:.3f} at sigma {SIGMAS[i]:.2g}," for i in range(0, 25, 6)),
          "distance by calls", *(f"{calls}: {each:.3f}" for calls, each in zip(CALLS, distances)), flush=True)
    coefficients.loglog(SIGMAS, np.abs(model.c_out(SIGMAS)), color, label=f"{name}: c_out")
    coefficients.loglog(SIGMAS, model.c_skip(SIGMAS), color + "--", label=f"{name}: c_skip")
    errors.loglog(SIGMAS, off, color, label=name)
    curves.semilogy(CALLS, distances, color + "o-", label=name)
    panel.scatter(*drawn.T, s=2, alpha=0.5)
    panel.set(title=f"asked for {name}: {CALLS[-1]} calls", xlim=(-4.5, 4.5), ylim=(-4.5, 4.5), aspect="equal")
curves.axhline(floor, color="k", linestyle=":", label="other examples")
for panel, title, x_label in ((coefficients, "D = c_skip x + c_out F", "sigma"), (errors, "RMS error of D", "sigma"),
                              (curves, "samples: sliced Wasserstein distance", "calls")):
    panel.set(title=title, xlabel=x_label)
    panel.legend(fontsize=8)
figure.savefig("241_edm.png", dpi=90)
print("wrote 241_edm.png")
