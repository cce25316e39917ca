"""Posterior collapse: a decoder that can model digits without a code leaves it empty; and two cures.

The decoder predicts each pixel from those before it, and from z. It learns the first so fast that z, still noise, only
costs, and q(z | x) = p(z) within a hundred steps: KL 0, no unit active, and a log-likelihood no worse for it. A KL
whose weight rises from 0 lets z be used before it is paid for (Bowman et al. 2016); free bits let each latent cost
lambda nats anyhow (Kingma et al. 2016, eq. 15). On the right is what a code says of its digit: the mean of 50 images
drawn from it. Of a code that says nothing it is the mean of all digits. Writes 104_collapse.png.
Course: 12.5.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, plot
from minigen.autoencoders import warm_up
from minigen.models.autoencoders import LossyVAE
from minigen.optim import adamw, cosine_decay
from minigen.train import Run, one_stage

STEPS = 1000
CURES = {"none": {}, "beta from 0 to 1": {"beta": warm_up(0.5)}, "free bits, 0.5 nats": {"least": 0.5}}

digits, test = data.load("digits"), data.load("digits", "test")
shown = np.stack([test["x"][test["y"] == y][0] for y in range(10)])
rows = [test.spaces["x"].drawn(shown)]
figure, (left, right) = plt.subplots(1, 2, figsize=(14, 4.4), layout="constrained", width_ratios=[1, 1.5])
print(f"{test.note}, dynamic binarization")
for name, cure in CURES.items():
    noise = rng(0)
    # so high a learning rate, as the race between decoder and code is what this is about
    model = LossyVAE(digits.spaces["x"], latent=8, masked=(800,), **cure, rng=noise)
    plan = one_stage(model, adamw(cosine_decay(3e-2), weight_decay=1.0), STEPS, batch_size=100, ema=0.99)
    run, kl = Run(plan, digits, rng=noise), []
    while not run.over:
        kl.append(run.advance()["KL"])
    with run.evaluating():
        print(f"{name}: " + "; ".join(f"{m.name} {m.number()}" for m in model.measure(test.columns, rng(1))))
        rows.append(model.decode(model.encode(shown).repeat(50, axis=0), rng(2)).reshape(10, 50, 1, 8, 8).mean(axis=1))
    left.plot(kl, label=name)
left.set(xlabel="step", ylabel="KL of a batch, nats", title="what the code says", ylim=(0, 8))
left.legend()
right.imshow(plot.sheet(np.concatenate(rows), columns=10))
right.set(title="test digits, and the mean of 50 draws of each one's code", xticks=[])
right.set_yticks((np.arange(4) + 0.5) * right.get_ylim()[0] / 4, ["data", *CURES])
figure.savefig("104_collapse.png", dpi=100)
print("wrote 104_collapse.png")
