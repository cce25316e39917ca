"""An energy: in the plane its density is known exactly, on digits it shows what it is good for.

In the plane Z is a sum over a grid, so the model's density stands beside that of the data, with the divergence between
them. On digits nobody knows Z. But walks downhill from noise end in digits, and the energy tells digits from what are
none: with noise in them, upside down, with their pixels in another order; the less they are like digits, the higher it
is. Writes 90_energy.png.
Course: 11.1.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng, to_numpy
from minigen import data, plot, recipes
from minigen.divergences import kl
from minigen.energy import Grid
from minigen.metrics import auroc, legible
from minigen.models.classifiers import pretrained
from minigen.train import Run, train

STEPS = 2500
SHOWN = 0, 5, 20, 60, 200  # steps of a walk


def trained(name, steps):
    dataset, noise = data.load(name), rng(0)
    return train(Run(recipes.find("ebm").plan(dataset, noise), dataset, rng=noise, steps=steps))


figure, panels = plt.subplots(1, 4, figsize=(19, 3.9), layout="constrained", width_ratios=[4, 4, 4.2, 5.5])
run, grid = trained("two_moons", STEPS), Grid(edge=4.0, cells=200)
truth = data.log_density("two_moons")(grid.points)
with run.evaluating():
    log_p = run.model.log_prob(Grid(edge=10.0, cells=400))(grid.points)
    points = run.model.sample(1000, rng(1))
divergence = kl(truth, log_p, grid.area).item()
print(f"two moons: KL(p || model) {divergence:.3f} nats")
for panel, log_density, title in zip(panels, (truth, log_p), ("the data's density", "the model's: exp(-E) / Z")):
    panel.imshow(np.exp(log_density).reshape(200, 200), origin="lower", extent=[-4, 4] * 2, cmap="magma")
    panel.set(title=title, xticks=[], yticks=[], xlim=(-4, 4), ylim=(-3, 3))
panels[1].plot(*points.T, ".", color="white", markersize=1.5)
panels[1].set_title(f"exp(-E) / Z, and walks in it\nKL {divergence:.3f} nats")

run, test = trained("digits", STEPS // 3), data.load("digits", "test")
with run.evaluating():
    model, noise = run.model, rng(2)
    walks = [model.start(300, noise)]
    for steps in np.diff(SHOWN):
        walks.append(model.walk(walks[-1], int(steps), noise))
    x = to_numpy(model.observe(test["x"], noise))
    uniform = noise.random(x.shape, dtype=np.float32)
    seen = {"digits": x, "walks of 200 steps": to_numpy(walks[-1]), "digits with 10 % noise": 0.9 * x + 0.1 * uniform,
            "digits with 30 % noise": 0.7 * x + 0.3 * uniform, "digits upside down": x[:, :, ::-1],
            "pixels in another order": x.reshape(len(x), -1)[:, noise.permutation(64)].reshape(x.shape)}
    energies = {name: model.energies(np.ascontiguousarray(images)) for name, images in seen.items()}
share = legible(pretrained("digits").judge(to_numpy(walks[-1]))[1]).mean()
panels[2].imshow(plot.sheet(np.concatenate([to_numpy(walk)[:7] for walk in walks]), columns=7))
panels[2].set(title=f"walks from noise, after so many steps:\n{share:.0%} legible in the end", xticks=[])
panels[2].set_yticks((np.arange(5) + 0.5) * panels[2].get_ylim()[0] / 5, SHOWN)
low, spread = energies["digits"].mean(), energies["digits"].std()
labels = []
for place, (name, values) in enumerate(energies.items()):
    panels[3].violinplot((values - low) / spread, [place], widths=0.9, showextrema=False)
    area = auroc(values, energies["digits"])
    labels.append(f"{name}\n{area:.3f}")
    print(f"{name}: AUROC against digits {area:.3f}")
panels[3].set_xticks(range(len(labels)), [label.replace(" ", "\n", 2) for label in labels], fontsize=8)
panels[3].set(title="energies, and AUROC against digits", ylabel="in standard deviations of that of digits")
figure.savefig("90_energy.png", dpi=100)
print("wrote 90_energy.png")
