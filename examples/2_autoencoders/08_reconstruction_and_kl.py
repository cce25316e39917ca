"""What each half of the VAE's loss does to the latent space: only reconstruction, only KL, both.

Reconstruction alone lets the codes drift apart, with holes between them and no scale. KL alone puts every
code on the prior and keeps nothing of the image. Together they pack the digits into N(0, I), like with like:
the space can be drawn from. Writes 08_reconstruction_and_kl.png.
Course: 4.6.
"""
import matplotlib.pyplot as plt

from autograd import grad
from autograd.backend import rng
from minigen import data, plot
from minigen.models.autoencoders import VAE
from minigen.optim import Adam, cosine_decay

STEPS = 1200
WEIGHTS = {"only reconstruction": (1, 0), "only KL": (0, 1), "both": (1, 1)}

digits = data.load("digits")
figure, axes = plt.subplots(2, 3, figsize=(12, 8.4), layout="constrained")
for column, (name, (a, b)) in zip(axes.T, WEIGHTS.items()):
    noise = rng(0)
    model = VAE(digits.spaces["x"], "categorical", latent=2, hidden=(256,), rng=noise)
    batches = digits.batches(100, noise)
    optimizer = Adam(model.parameters(), cosine_decay(3e-3))
    for step in range(STEPS):
        terms = model.loss(next(batches), noise)
        loss = a * terms["reconstruction"] + b * terms["KL"]
        optimizer.step(grad(loss, optimizer.params), done=step / STEPS)
    reconstruction, kl = terms["reconstruction"].item(), terms["KL"].item()
    print(f"{name:20} reconstruction {reconstruction:6.1f}, KL {kl:6.2f} nats")

    z = model.encode(digits["x"])  # (N, 2)
    colours = column[0].scatter(*z.T, c=digits["y"], cmap="tab10", vmin=-0.5, vmax=9.5, s=6)
    for radius in (1, 2, 3):  # the prior's contours
        column[0].add_patch(plt.Circle((0, 0), radius, fill=False, color="k", linewidth=0.8, linestyle=":"))
    column[0].set(title=f"{name}: codes", xlabel="z1", ylabel="z2", aspect="equal")
    column[0].set_adjustable("datalim")
    column[1].imshow(plot.sheet(model.sample(64, noise)))
    column[1].set(title="decoded from draws of N(0, I)", xticks=[], yticks=[])
figure.colorbar(colours, ax=axes[0], ticks=range(10))
figure.savefig("08_reconstruction_and_kl.png", dpi=110)
print("wrote 08_reconstruction_and_kl.png")
