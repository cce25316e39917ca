"""A jigsaw puzzle of 3 x 3 pieces: put in order by shares of places, with and without a discriminator that looks on.

The solver sees all pieces, in no order, and gives every piece a share of every place; the picture that these shares
make is compared with the true one, and a discriminator may look whether it is one. Critters stand in the middle of
plain ground: much can be read off what a piece shows. So the borders of pieces are cut off too, which leaves nothing
that could be continued. Right are pieces whose pixels belong there, as two pieces of ground are alike. The
discriminator changes nothing here: what is to be learned is said by the assignment alone. Writes 132_puzzle.png.
Course: 7.7.
"""
import numpy as np

from autograd.backend import rng
from minigen import data, plot
from minigen.adversarial.patch import PatchDiscriminator
from minigen.models.adversarial import Puzzle, Solver
from minigen.optim import adam, cosine_decay
from minigen.train import Run, one_stage, train

STEPS = 200
SHOWN = 8

critters, test = data.load("critters"), data.load("critters", "test")
space = critters.spaces["x"]


def trained(margin, judged):
    """A Puzzle that has seen STEPS batches, with a discriminator or without."""
    noise = rng(0)
    solver = lambda piece, P: Solver(piece, P, rng=noise)
    looks_on = lambda whole: PatchDiscriminator(whole, width=16, halvings=1, norm=None, rng=noise)
    model = Puzzle(space, solver, looks_on if judged else None, margin=margin)
    train(Run(one_stage(model, adam(cosine_decay(2e-3)), STEPS, batch_size=32), critters, rng=noise))
    print(f"margin {margin}, {'with' if judged else 'without'} a discriminator:",
          *model.measure(test.columns, rng(1)), sep="\n  ")
    return model


for margin in (3, 0):
    for judged in (False, True):
        model = trained(margin, judged)

right = np.asarray(model.pieces(space.signed(test["x"])))
pieces, _ = model.shuffled(right, rng(2))
place = model.solve(pieces)
drawn = lambda images: (np.float32(images) + 1) / 2
plot.captioned(np.concatenate([drawn(model.joined(pieces[:SHOWN])), drawn(model.put_in_order(pieces, place)[:SHOWN]),
                               drawn(model.joined(right[:SHOWN]))]), ("pieces", "put in order", "true"),
               "132_puzzle.png")
print("wrote 132_puzzle.png")
