"""Denoising diffusion on digits: `minigen train ddpm` as a program, and a look inside.

Training takes about a minute and a half on two cores. The picture shows images drawn in 1000 steps by the paper's
algorithm 2; how four of them come about, x_t above and the network's guess at x_0 below; and how much of the bound on
-log p(x) each t contributes: the last few steps, which decide the gray levels, cost the most. The film, 22_ddpm.gif,
shows all samples on their way. Writes 22_ddpm.png.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import normal, rng
from minigen import data, plot, recipes
from minigen.diffusion import ancestral, recorded, step_term
from minigen.ema import EMA
from minigen.train import in_use, train

STEPS, SAMPLES = 1800, 36
SHOWN = [1000, 700, 500, 400, 300, 200, 100, 50, 20, 1]  # t

recipe = recipes.find("ddpm")
digits, test = data.load("digits"), data.load("digits", "test")

noise = rng(0)
model = recipe.model(digits, noise)
ema = EMA(model, recipe.ema)
optimizer = recipe.optimizers["ddpm"](model.network.parameters())
train(model, data.Batches(digits, recipe.batch_size, noise), {"ddpm": optimizer}, STEPS, rng=noise, ema=ema,
      clip=recipe.clip)

with in_use(model, ema):
    frames = []
    x_T = normal(noise, (SAMPLES, *digits.image_shape))
    samples = ancestral(recorded(model.denoise, frames), x_T, model.schedule, rng=noise)
    x, y = test.x[:10 * SAMPLES], test.y[:10 * SAMPLES]
    x_0 = model.signed(x)
    t = np.unique(np.geomspace(2, model.schedule.T, 25).astype(int))
    L = [step_term(model.denoise, x_0, np.full(len(x_0), i), model.schedule, noise).mean() for i in t]
    for result in model.evaluate(x, y, noise):
        print(result)

figure = plt.figure(figsize=(15, 5), layout="constrained")
grid, story, terms = figure.subplots(1, 3, width_ratios=[1, 1.8, 1.1])
grid.imshow(plot.sheet((samples + 1) / 2), interpolation="nearest")
grid.set_title(f"{SAMPLES} samples")
path = {t: (x_t, x_0) for t, x_t, x_0 in frames}
rows = [path[i][which][image] for image in range(3) for which in (0, 1) for i in SHOWN]
story.imshow(plot.sheet((np.stack(rows) + 1) / 2, columns=len(SHOWN)), interpolation="nearest")
story.set_title("three of them: x_t, and below it the guess at x_0\nt = " + ", ".join(map(str, SHOWN)))
for axes in (grid, story):
    axes.set_axis_off()
terms.loglog(t, np.array(L) / (np.log(2) * x_0[0].size), ".-")
terms.set(title="L_{t-1} on the test digits, bits/dim", xlabel="t")
terms.grid(alpha=0.3)
figure.savefig("22_ddpm.png", dpi=110)
plot.gif([(x_t + 1) / 2 for _, x_t, _ in frames[::20]] + [(samples + 1) / 2], "22_ddpm.gif")
print("wrote 22_ddpm.png")
