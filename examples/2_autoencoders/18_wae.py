"""Two ways to have codes that can be drawn: each code like the prior, or all of them together.

A VAE asks that the code of every image be nearly a draw from N(0, I), and yet different from the others': what it pays
for the one it takes from the other, and taken together its codes are not N(0, I). A Wasserstein autoencoder asks it of
all codes together, by the MMD of the batch or by an adversary; the code of one image may be a point. So samples are
decoded from where images were encoded, and they are better. Its price is in the reconstructions: after so short a
training the VAE's are better, whose codes are further from the prior. With lambda = 0 it is a plain autoencoder, whose
codes are anywhere, and whose samples are nothing. Writes 18_wae.png.
Course: 1.7, 4.10.
"""
import matplotlib.pyplot as plt

from autograd.backend import rng
from minigen import data, latents, plot
from minigen.autoencoders.matched import distance_of_codes
from minigen.autoencoders.priors import Normal
from minigen.judges import image_measures
from minigen.models.autoencoders import VAE, WAEGAN, WAEMMD
from minigen.models.classifiers.cnn import pretrained
from minigen.optim import adam, cosine_decay
from minigen.train import Run, one_stage, train

STEPS, SAMPLES, BATCH = 1500, 1000, 200
LATENT, HIDDEN = 8, (256,)

moves = adam(cosine_decay(3e-3))
MOVES = {"WAE-GAN": {"D": adam(cosine_decay(2e-3, final=1e-3), betas=(0.5, 0.999)),
                     "autoencoder": adam(cosine_decay(2e-3), betas=(0.5, 0.999))}}

digits, test = data.load("mnist10k"), data.load("mnist10k", "test")
space = digits.spaces["x"]
models = {
    "plain, lambda = 0": WAEMMD(space, Normal(LATENT), HIDDEN, weight=0.0, rng=rng(0)),
    "WAE-MMD": WAEMMD(space, Normal(LATENT), HIDDEN, weight=300.0, rng=rng(0)),
    "WAE-GAN": WAEGAN(space, Normal(LATENT), HIDDEN, (256, 256), weight=10.0, rng=rng(0)),
    "VAE": VAE(space, "bernoulli", LATENT, HIDDEN, rng=rng(0)),
}
print(test.note)
figure, panels = plt.subplots(2, 4, figsize=(15, 8.2), layout="constrained")
for (above, below), (name, model) in zip(panels.T, models.items()):
    noise = rng(1)
    with train(Run(one_stage(model, MOVES.get(name, moves), STEPS, BATCH, ema=0.99), digits, rng=noise)).evaluating():
        error = ((space.drawn(test["x"]) - model.reconstruct(test["x"])) ** 2).sum(axis=(1, 2, 3)).mean()
        distance = distance_of_codes(model.encode(test["x"]), Normal(LATENT), noise)
        samples = model.sample(SAMPLES, noise)
        pairs = latents.reconstructions(model, test["x"][:32], columns=8)
    print(f"{name:18} squared error {error:.3f}; {distance}")
    real = [space.drawn(split["x"]) for split in (digits, test)]
    for measure in image_measures(pretrained("mnist10k").judge, samples, *real)[:1] if SAMPLES >= 100 else []:
        print(f"{'':18} {measure}")

    above.imshow(plot.sheet(pairs, columns=8))
    above.set_title(f"{name}\nsquared error {error:.2f}")
    below.imshow(plot.sheet(samples[:64] if len(samples) >= 64 else samples, columns=8))
    below.set_title(f"samples; MMD$^2$ of codes {distance.value:.3f}")
    for axes in (above, below):
        axes.set_axis_off()
figure.savefig("18_wae.png", dpi=100)
print("wrote 18_wae.png")
