"""Two layers of latents against one, for as many seconds of computing; and how the top layer dies.

p(z1) is N(0, I) in a VAE; with a layer above it is the mixture of all p(z1 | z2), which may be what the codes of
digits look like. But z2 must be learned before it pays, and a KL that is charged from the first step on lets q(z2 | z1)
fall to the prior. Sonderby et al. 2016 weigh it by a beta that rises from 0: the top layer lives.
Writes 101_hierarchy.png.
Course: 12.3.
"""
import time

import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, plot
from minigen.autoencoders import warm_up
from minigen.importance import bound, weigh
from minigen.metrics import mean_interval
from minigen.models.autoencoders import VAE, HierarchicalVAE
from minigen.optim import adamw, cosine_decay
from minigen.train import Run, one_stage

SECONDS, DRAWS = 10, 500

digits, test = data.load("digits"), data.load("digits", "test")
space, sizes = digits.spaces["x"], {"latents": (8, 4), "hidden": ((200,), (64,))}
make = {"one layer": lambda noise: VAE(space, latent=8, hidden=(200,), rng=noise),
        "two layers": lambda noise: HierarchicalVAE(space, **sizes, beta=1.0, rng=noise),
        "two layers, warm-up": lambda noise: HierarchicalVAE(space, **sizes, beta=warm_up(0.5), rng=noise)}
figure, (left, *sheets) = plt.subplots(1, 4, figsize=(16, 4.2), layout="constrained", width_ratios=[1.5, 1, 1, 1])
print(f"{test.note}, dynamic binarization")
bits, elbos = np.uint8(16 * data.binarize(test["x"], 17, rng(1))), {}  # drawn once: all are judged by the same
for panel, (name, model) in zip(sheets, make.items()):
    noise = rng(0)
    plan = one_stage(model(noise), adamw(cosine_decay(3e-3), weight_decay=0.3), steps=1, batch_size=100, ema=0.99)
    run, kl, began = Run(plan, digits, rng=noise, budget=SECONDS), [], time.process_time()
    while not run.over:
        kl.append(run.advance().get("KL2"))
        run.seconds = time.process_time() - began  # a budget of computing, whatever else the machine does
    with run.evaluating() as model:
        log_w = weigh(model.log_weights, bits, DRAWS, model.likelihood, rng(1))
        elbos[name] = bound(log_w, 1)
        layers = [f"{m.name} {m.number()}" for m in model.measure(test.columns, rng(2), k=2)[2:]]
        print(f"VAE of {name}: {run.step:,} steps; -ELBO {-elbos[name].mean():.2f}, "
              "bound of {} draws {:.2f} ± {:.2f} nats; ".format(DRAWS, *mean_interval(-bound(log_w, DRAWS)))
              + "; ".join(layers))
        panel.imshow(plot.sheet(model.sample(36, rng(3))))
    panel.set(title=name, xticks=[], yticks=[], xlabel="samples")
    if kl[0] is not None:
        left.plot([(i + 1) / len(kl) for i in range(len(kl))], kl, label=name)
for name in list(make)[1:]:
    print("-ELBO of {} - that of one, image by image: {:.2f} ± {:.2f} nats".format(
        name, *mean_interval(elbos["one layer"] - elbos[name])))
left.set(xlabel="share of the training", ylabel="KL of the top layer in a batch, nats", ylim=(0, 3))
left.legend()
figure.savefig("101_hierarchy.png", dpi=100)
print("wrote 101_hierarchy.png")
