"""The same VAE, trained on the ELBO and on the bound of k draws, for as many seconds of computing.

What either has learned is told by the bound of 5,000 draws, which is near log p(x) whatever q is. The ELBO is no judge:
it holds q's shortcomings against the model, and the importance-weighted q has more of them, as it is not asked to be
right with a single draw. So the two curves cross. Burda et al. 2016 have 86.76 and 84.78 (k = 50) nats on MNIST, after
3,280 epochs. Writes 100_iwae.png.
Course: 12.2.
"""
import time

import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data
from minigen.importance import bound, weigh
from minigen.metrics import mean_interval
from minigen.models.autoencoders import IWAE, VAE
from minigen.models.autoencoders.iwae import later
from minigen.optim import adamw, cosine_decay
from minigen.train import Run, one_stage, train

DATA, SECONDS, K, FROM = "digits", 12, 5, 0.5  # so many draws from this share of the training on, before it one
Z, HIDDEN, DECAY = 20, (200,), 0.3  # of mnist: 50, (200, 200), 0
SAMPLES, DRAWS = 300, 5000  # valid images, and draws for each
GROUPS = [k for k in (1, 2, 5, 10, 20, 50, 100, 500, 1000, 5000) if k <= DRAWS]

digits, valid = data.load(DATA), data.load(DATA, "valid").first(SAMPLES)
space = digits.spaces["x"]
bits = np.uint8((space.levels - 1) * data.binarize(valid["x"], space.levels, rng(1)))  # the same for both
make = {"VAE": lambda noise: VAE(space, latent=Z, hidden=HIDDEN, rng=noise),
        f"IWAE, k = {K}": lambda noise: IWAE(space, latent=Z, hidden=HIDDEN, k=later(K, FROM), rng=noise)}

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
print(f"the first {SAMPLES} of {valid.note}")
best = []
for (name, model), style in zip(make.items(), ("o-", "s-")):
    noise = rng(0)
    plan = one_stage(model(noise), adamw(cosine_decay(2e-3), weight_decay=DECAY), steps=1, batch_size=100)
    run = train(Run(plan, digits, rng=noise, budget=SECONDS), clock=time.process_time)
    model = run.model.eval()
    log_w = weigh(model.log_weights, bits, DRAWS, model.likelihood, rng(1))
    best.append(-bound(log_w, DRAWS))
    variance = model.encode(digits["x"][:2000]).var(axis=0)
    print(f"{name:12} {run.step:6,} steps; -ELBO {-bound(log_w, 1).mean():6.2f}, "
          "bound of {:,} draws {:.2f} ± {:.2f} nats; ".format(DRAWS, *mean_interval(best[-1]))
          + f"{(variance > 0.01).sum()} of {len(variance)} latents in use")
    left.plot(GROUPS, [-bound(log_w, k).mean() for k in GROUPS], style, label=name)
    right.semilogy(range(1, len(variance) + 1), sorted(variance, reverse=True), style, label=name)
print("VAE - IWAE, image by image: {:.2f} ± {:.2f} nats".format(*mean_interval(best[0] - best[1])))

left.set(xscale="log", xlabel="k, draws for each image", ylabel="nats", title="$-L_k$ of either model")
left.legend()
right.axhline(0.01, color="k", linestyle=":")
right.set(xlabel="latents, in order", ylabel=r"variance of $\mu_j$ over images", title="latents in use: above the line")
figure.savefig("100_iwae.png", dpi=110)
print("wrote 100_iwae.png")
