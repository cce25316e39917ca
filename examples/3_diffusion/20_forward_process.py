"""The forward process of a diffusion: an image drowns in noise, in T steps, each so small that it could be undone.

q(x_t | x_0) = N(sqrt(alpha_bar_t) x_0, (1 - alpha_bar_t) I) leads from the image to any t in one jump. The printed
lines compare that jump with t small steps. The linear schedule has drowned the image long before the end; the cosine
schedule was made to lose it evenly. Writes 20_forward_process.png.
Course: 9.1, 9.2.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import asarray, normal, rng, to_numpy
from minigen import data, plot
from minigen.diffusion import cosine_schedule, linear_schedule

T, IMAGE = 1000, 7
SHOWN = [1, 50, 100, 200, 300, 400, 500, 600, 800, 1000]

noise = rng(0)
digits = data.load("mnist10k")
x_0 = digits.spaces["x"].signed(digits["x"][IMAGE : IMAGE + 1])  # (1, 1, 28, 28) on [-1, 1]
schedules = {"linear": linear_schedule(T), "cosine": cosine_schedule(T)}

pixels = np.full(100_000, 0.5)
x_t = pixels
for t in range(1, T + 1):
    beta = schedules["linear"].beta[t]
    x_t = np.sqrt(1 - beta) * x_t + np.sqrt(beta) * noise.standard_normal(len(pixels))
    if t in (10, 100, 1000):
        jump = schedules["linear"].q_sample(asarray(pixels), t, normal(noise, pixels.shape, pixels.dtype))
        print(f"a pixel of 0.5 after {t:4} steps: mean {x_t.mean():.3f}, variance {x_t.var():.3f}; "
              f"in one jump: {jump.mean():.3f}, {jump.var():.3f}")

figure = plt.figure(figsize=(13, 6), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=[1, 1.1])
for axes, (name, schedule) in zip(top.subplots(2, 1), schedules.items()):
    eps = normal(rng(1), x_0.shape)  # the same noise at every t
    path = np.concatenate([to_numpy(x_t) for x_t in (x_0, *(schedule.q_sample(x_0, t, eps) for t in SHOWN))])
    axes.imshow(plot.sheet(np.clip((path + 1) / 2, 0, 1), columns=len(path)), interpolation="nearest")
    axes.set(title=f"{name}:  t = 0, " + ", ".join(map(str, SHOWN)), xticks=[], yticks=[])

left, middle, right = bottom.subplots(1, 3)
for name, schedule in schedules.items():
    t, alpha_bar = np.arange(1, T + 1), schedule.alpha_bar[1:]
    left.semilogy(t, schedule.beta[1:], label=name)
    middle.plot(t, alpha_bar, label=name)
    right.plot(t, 10 * np.log10(alpha_bar / (1 - alpha_bar)), label=name)
left.set(title="beta_t, the noise of one step", xlabel="t")
middle.set(title="alpha_bar_t, what is left of the image's variance", xlabel="t")
right.set(title="signal to noise (dB)", xlabel="t", ylim=(-60, 50))
for axes in (left, middle, right):
    axes.grid(alpha=0.3)
    axes.legend()
figure.savefig("20_forward_process.png", dpi=110)
print("wrote 20_forward_process.png")
