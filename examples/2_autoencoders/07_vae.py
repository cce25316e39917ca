"""A variational autoencoder, written out: two networks, a draw that gradients pass through, a bound on log p(x).

    q(z | x) = N(mu, sigma^2)        encoder: mu and log sigma^2 for each latent number
    p(x | z)                         decoder: a probability for each gray level of each pixel
    log p(x) >= ELBO = E_q[log p(x | z)] - KL(q(z | x) || N(0, I))              Kingma & Welling 2014, eq. 3

Codes lie where N(0, I) is, so that draws from there decode to digits, and so does what lies between two codes; of the
codes of example 6 neither is true. The recipe is the same model with more care: a wider network, whose weights decay
and are averaged, and a learning rate that falls. That is worth about a nat. Writes 07_vae.png.
Course: 4.1, 4.2, 4.3, 4.4, 4.5.
"""
import numpy as np

from autograd import exp, grad, log_softmax, no_grad, relu, softmax, split
from autograd.backend import asarray, normal, rng
from minigen import data, latents, plot, recipes
from minigen.nn import MLP
from minigen.optim import Adam
from minigen.train import Run, train

STEPS = 700
D, K, Z = 64, 17, 12  # pixels, gray levels, latent numbers

digits, test = data.load("digits"), data.load("digits", "test")
noise = rng(0)
encoder = MLP((D, 256, 2 * Z), relu, rng=noise)
decoder = MLP((Z, 256, D * K), relu, rng=noise)


def minus_elbo(x):
    """One draw's estimate for images x (N, 1, 8, 8): the mean over them, in nats."""
    x = x.reshape(-1, D)
    mu, logvar = split(encoder(asarray(x, np.float32) / 16), 2, axis=1)  # (N, Z)
    eps = normal(noise, mu.shape)
    z = mu + exp(0.5 * logvar) * eps  # the reparametrization: eps is drawn, and z a function of mu and sigma
    log_p = log_softmax(decoder(z).reshape(-1, D, K), axis=2)  # (N, D, K)
    reconstruction = -(log_p * asarray(np.eye(K, dtype=np.float32)[x])).sum(axis=(1, 2))  # -log p(x | z), (N,)
    kl = -0.5 * (1 + logvar - mu**2 - exp(logvar)).sum(axis=1)  # (N,)
    return (reconstruction + kl).mean()


optimizer = Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
batches = digits.batches(100, noise)
for _ in range(STEPS):
    optimizer.step(grad(minus_elbo(next(batches)["x"]), optimizer.params))

with no_grad():
    ours = np.mean([minus_elbo(test["x"]).item() for _ in range(100)])
    p = softmax(decoder(normal(noise, (64, Z))).reshape(-1, D, K), axis=2)
samples = (p.numpy() @ np.linspace(0, 1, K)).reshape(-1, 1, 8, 8)  # the mean gray level of each pixel
print(test.note)
print(f"-ELBO  {ours:.2f} nats  (written out)")

run = train(Run(recipes.find("vae").plan(digits, noise), digits, rng=noise, steps=STEPS))
with run.evaluating() as model:
    measures = model.measure(test.columns, noise, k=100)
    for measure in measures:
        print(measure)
    z = model.encode(test["x"][:16])
    plot.sheets({
        f"drawn by the program above: -ELBO {ours:.1f} nats": samples,
        f"drawn by the recipe: -ELBO {measures[0].value:.1f} nats": model.sample(64, noise),
        "test digits, reconstructions below": (latents.reconstructions(model, test["x"][:32], columns=8), 8),
        "from one test digit to another": (latents.interpolate(model, z[:8], z[8:], steps=8), 8),
    }, "07_vae.png")
print("wrote 07_vae.png")
