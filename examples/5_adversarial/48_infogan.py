"""Codes that mean something, and nobody said what: ten categories and two numbers, found by three games.

L_I says how much of log 10 nats the category can be read by; that is near the most in every game. Whether categories
are digits is another question, answered here by labels that no game has seen, and it comes out differently from seed to
seed: the best of many runs says little about the method. The floor is k-means, ten clusters of pixels, from as many
seeds. Writes 48_infogan.png.
Course: 7.8.
"""
import matplotlib.pyplot as plt
import numpy as np
from scipy.cluster.vq import kmeans2, vq

from autograd.backend import rng
from minigen import data, plot, recipes
from minigen.metrics import purity
from minigen.train import Run, train

STEPS, SEEDS, K = 1500, 3, 10

digits, test = data.load("digits"), data.load("digits", "test")
pixels, held = (digits.spaces["x"].rows(split["x"]) for split in (digits, test))
clusters = []
for seed in range(SEEDS):
    centres, _ = kmeans2(pixels, K, minit="++", seed=seed)
    clusters.append(purity(vq(held, centres)[0], test["y"]).mean())
print(test.note, "k-means: purity " + ", ".join(f"{share:.3f}" for share in clusters), sep="\n")

games = []
for seed in range(SEEDS):
    noise = rng(seed)
    run = train(Run(recipes.find("infogan").plan(digits, noise), digits, rng=noise, steps=STEPS))
    with run.evaluating():
        measures = run.model.measure(test.columns, rng(seed))
    print(f"seed {seed}: {run.seconds:.0f} s", *measures, sep="\n  ")
    games.append((run, measures))
shares = [measures[-1].value for _, measures in games]
print(f"purity, median of {SEEDS} seeds: {np.median(shares):.3f}; k-means {np.median(clusters):.3f}")

figure, axes = plt.subplots(1, SEEDS + 2, figsize=(20, 4.6), layout="constrained")
for seed, (run, measures) in enumerate(games):
    with run.evaluating():
        z = run.model.noise(8 * K, rng(1))
        sheet = run.model.decode(z, np.repeat(np.arange(K), 8), np.zeros((8 * K, 2)))
    axes[seed].imshow(plot.sheet(sheet, columns=8))
    axes[seed].set(title=f"seed {seed}: a row for each category", xticks=[], yticks=[],
                   xlabel=f"L_I {measures[0].value:.2f} nats, purity {measures[-1].value:.2f}")
run = games[int(np.argsort(shares)[SEEDS // 2])][0]  # the one in the middle
with run.evaluating():
    row = np.tile(np.linspace(-1, 1, 8), K)
    z = run.model.noise(1, rng(2)).repeat(8 * K, axis=0)
    for j in range(2):
        codes = np.zeros((8 * K, 2))
        codes[:, j] = row
        axes[SEEDS + j].imshow(plot.sheet(run.model.decode(z, np.repeat(np.arange(K), 8), codes), columns=8))
        axes[SEEDS + j].set(title=f"the same z, c_{j + 2} from -1 to 1", xticks=[], yticks=[])
figure.savefig("48_infogan.png", dpi=100)
print("wrote 48_infogan.png")
