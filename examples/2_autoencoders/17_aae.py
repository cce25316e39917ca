"""Codes of digits on a flower or a roll: an adversarial autoencoder puts them where its prior is.

The discriminator sees codes and draws from the prior, and nothing else of the prior: any distribution will do that can
be drawn from. On the second flower and on the roll it is told classes too, so that each digit has its own petal, or its
own piece of the roll, and a sample can be asked for by its class. A plain autoencoder's codes lie where they like. What
is printed is a distance between codes and prior, not a loss: 0 would be equal. Writes 17_aae.png.
Course: 4.9.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng, to_numpy
from minigen import data, plot
from minigen.autoencoders.matched import distance_of_codes
from minigen.autoencoders.priors import Petals, SwissRoll
from minigen.models.autoencoders import AAE, Autoencoder
from minigen.optim import adam, cosine_decay
from minigen.train import Run, one_stage, train

STEPS = 1500
PRIORS = {"none": None, "ten petals": Petals(), "ten petals, told the class": Petals(),
          "swiss roll, told the class": SwissRoll()}
MOVES = {"autoencoder": adam(cosine_decay(5e-4), betas=(0.5, 0.999)),
         "D": adam(cosine_decay(2e-3, final=1e-3), betas=(0.5, 0.999)),
         "encoder": adam(cosine_decay(1e-3), betas=(0.5, 0.999))}

digits, test = data.load("mnist10k"), data.load("mnist10k", "test")
print(test.note)
figure, panels = plt.subplots(2, 4, figsize=(15, 7.6), layout="constrained")
for (above, below), (name, prior) in zip(panels.T, PRIORS.items()):
    noise, space = rng(0), digits.spaces["x"]
    if prior is None:
        model = Autoencoder(space, 2, (256,), rng=noise)
    else:
        model = AAE(space, prior, (256,), (256, 256), labels="told" in name, rng=noise)
    train(Run(one_stage(model, MOVES, STEPS, batch_size=200), digits, rng=noise))
    z = model.encode(test["x"])
    print(f"prior: {name}; squared error {model.measure(test.columns, noise)[0].number()}")
    for other in [prior] if prior else (Petals(), SwissRoll()):
        distance = distance_of_codes(z, other, noise)
        print(f"    {type(other).__name__:10} {distance}")

    if prior:
        above.scatter(*to_numpy(prior.draw(1500, noise)).T, s=6, color="0.85")
    colours = above.scatter(*z.T, c=test["y"], cmap="tab10", vmin=-0.5, vmax=9.5, s=8)
    title = f"\nMMD$^2$ of codes {distance.value:.3f}" if prior else "\na plain autoencoder"
    above.set(title=f"prior: {name}{title}", aspect="equal", adjustable="datalim")
    told = {"y": np.arange(80) // 8} if "told" in name else {}
    below.imshow(plot.sheet(model.sample(80, noise, **told), columns=8))
    below.set_axis_off()
    below.set_title("samples, a row for each class" if told else "samples")
figure.colorbar(colours, ax=panels[0], ticks=range(10), label="class of the test digit; grey: draws from the prior")
figure.savefig("17_aae.png", dpi=100)
print("wrote 17_aae.png")
