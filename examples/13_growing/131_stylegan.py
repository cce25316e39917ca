"""StyleGAN: coarse styles of one face, fine styles of another, and who gives what.

The generator has no input but styles, one for each layer. Take those of the first layers from one z, of the face above,
and the rest from another, of the face at the left. Each face is read back into its parts, so who gives what is counted:
how often an attribute of the mixture is that of the one and not of the other. And how long are paths between latents in
Z, which must fill a ball, and in W, which need not? Writes 131_stylegan.png.
Course: 7.9.
"""
import numpy as np

from autograd.backend import rng, to_numpy
from minigen import data, plot
from minigen.data.face_reader import read
from minigen.judges import face_measures, sliced_measures
from minigen.recipes import find
from minigen.train import Run, train

STEPS, SAMPLES = 5000, 300
SHOWN = 7

faces, test = data.load("faces"), data.load("faces", "test")
noise = rng(0)
plan = find("stylegan").plan(faces, noise)
run = train(Run(plan, faces, rng=noise, steps=STEPS))
model, space = plan.model, faces.spaces["x"]
with run.evaluating():
    drawn = model.sample(SAMPLES, rng(1))
    seen, held = (space.drawn(split["x"][:SAMPLES]) for split in (faces, test))
    print(*model.measure(test.columns, rng(2)), *face_measures(drawn, held), *sliced_measures(drawn, seen, held),
          sep="\n")

    z_coarse, z_fine = (to_numpy(model.noise(SHOWN, rng(seed))) for seed in (3, 4))
    crossover = len(model.generator.layers) // 2
    above, left = model.decode(z_coarse), model.decode(z_fine)
    rows = [np.concatenate([np.ones_like(above[:1]), above])]
    for i in range(SHOWN):
        mixed = model.mix(z_coarse, z_fine[i : i + 1].repeat(SHOWN, axis=0), crossover)
        rows.append(np.concatenate([left[i : i + 1], mixed]))
    parts = [read(255 * images)[0] for images in (above, left, np.concatenate([row[1:] for row in rows[1:]]))]
for name in ("hair", "hair colour", "skin colour", "clothing colour", "hat"):
    coarse, fine = np.tile(parts[0][name], SHOWN), np.repeat(parts[1][name], SHOWN)
    told, mixture = coarse != fine, parts[2][name]
    print(f"{name}: from above {np.mean(mixture[told] == coarse[told]):.2f}, "
          f"from the left {np.mean(mixture[told] == fine[told]):.2f}")
plot.grid(np.concatenate(rows), "131_stylegan.png", columns=SHOWN + 1)
print("wrote 131_stylegan.png")
