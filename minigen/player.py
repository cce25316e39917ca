"""Player: one side of the game that training is.

A VAE has one player, a GAN two, a CycleGAN four. This is all that training knows of a model.

Read before this: autograd/tensor.py. Read next: train.py.
"""
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Player:
    """One side of the game: it changes `params` so that its loss falls, `repeat` times in every step.

    loss(batch, rng) -> {name: scalar Tensor}: the first is minimized, the others are shown beside it. batch is a dict
    of named columns, in the data's own units. data: False for a player that needs none; its loss is called with the
    number of examples in a batch in the place of the batch. In eval mode a loss must leave the model as it was. It
    draws for the batch along the first axis, and for nothing else there; what is no mean over examples, each on its
    own, is written with autograd/batch.py: then several workers can share it.

    >>> from autograd import parameter
    >>> mean = parameter([0.0])
    >>> player = Player("mean", [mean], lambda batch, rng: {"squared error": ((batch["x"] - mean) ** 2).mean()})
    >>> player.loss({"x": [1.0, 3.0]}, rng=None)["squared error"].item()
    5.0
    """

    name: str
    params: list
    loss: Callable
    repeat: int = 1
    data: bool = True
