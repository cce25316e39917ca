"""A codebook of 64 vectors: an image of 784 pixels becomes 7 x 7 integers, and of them the decoder makes it again.

What a code stands for is seen in two ways: the mean of the patches for which it was chosen, and what the decoder draws
of it on a blank sheet. A codebook must be used to be worth its bits. Its vectors learn by the loss, or, sooner, as
moving averages, if they begin on the data and are put back there when nothing needs them. Drawn small and left alone,
as in the paper, a part of them is never used, and the error is larger. Writes 60_vqvae.png.
Course: 5.1.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, latents, plot
from minigen.models.codes import VQVAE
from minigen.optim import adam, cosine_decay
from minigen.quantize import Codebook, EMACodebook, views
from minigen.train import Run, one_stage, train

STEPS = 1000
CODEBOOKS = {"moving averages": (EMACodebook, {}), "by the loss": (Codebook, {}),
             "by the loss, as drawn": (Codebook, {"spread": False, "restart": None})}

digits, test = data.load("mnist10k"), data.load("mnist10k", "test")
models, perplexity = {}, {}
for name, (codebook, settings) in CODEBOOKS.items():
    noise = rng(0)
    model = VQVAE(digits.spaces["x"], codebook(64, 8, **settings, rng=noise), rng=noise).scaled_by(digits["x"])
    plan = one_stage(model, adam(cosine_decay(2e-3)), STEPS, batch_size=64)
    run = train(Run(plan, digits, rng=noise))
    with run.evaluating():
        print(f"{name}: {run.seconds:.0f} s", *model.measure(test.columns, noise), sep="\n  ")
    models[name], perplexity[name] = model, run.history.curves()["train/perplexity"]

model = models["moving averages"].eval()
blank = int(views.usage(model, test["x"]).argmax())  # the background is most of a digit's picture
figure, ((a, b, c), (d, e, f)) = plt.subplots(2, 3, figsize=(15, 9.6), layout="constrained")
for axes, title, images, columns in (
        (a, "test digits, reconstructions below", latents.reconstructions(model, test["x"][:32], columns=8), 8),
        (b, "each code: the mean of its patches", views.mean_patches(model, digits["x"]), 8),
        (c, "each code: one of it on a blank sheet, decoded", views.what_codes_draw(model, among=blank), 8),
        (f, "49 codes at random, decoded", model.sample(64, rng(1)), 8)):
    axes.imshow(plot.sheet(images, columns))
    axes.set(title=title, xticks=[], yticks=[])
for name, (steps, values) in perplexity.items():
    d.plot(steps, values, label=name)
d.set(title="perplexity: how many codes seem to be in use", xlabel="step", ylim=(0, 64))
d.legend()
for name, one in models.items():
    e.plot(np.sort(views.usage(one, test["x"]))[::-1], label=name, drawstyle="steps-mid")
e.set(title="how often each code is used, the most frequent first", xlabel="code", yscale="log", ylim=(1e-5, 1))
e.legend()
figure.savefig("60_vqvae.png", dpi=100)
print("wrote 60_vqvae.png")
