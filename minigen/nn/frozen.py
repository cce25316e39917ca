"""Frozen: a trained network that another model uses, and does not train.

    class LatentDiffusion(Module):
        def __init__(self, autoencoder, ...):
            self.autoencoder = autoencoder              # a Frozen: no child of this module

A Frozen is no Module: what asks a model for its parameters, sets it to training mode, averages or saves it, passes it
by. Its weights are constants, so that they cost nothing in the graph; gradients still flow through it to its input. Who
wants to begin where it stands takes a `thawed` copy. Read before this: module.py.
"""
import copy

from autograd.tensor import Leaf


class Frozen:
    """module, in eval mode for good, its parameters turned to constants; called and asked for attributes like it."""

    def __init__(self, module):
        self.module, self.constants = module, module.eval().parameters()
        for p in self.constants:
            p.node = None

    def __call__(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    def __getattr__(self, name):
        if name.startswith("__") or name in ("module", "constants"):  # asked by copy and pickle, before there are any
            raise AttributeError(name)
        return getattr(self.module, name)

    def __repr__(self):
        return f"Frozen({type(self.module).__name__})"


def thawed(frozen):
    """A copy of the frozen module, with parameters again."""
    copied = copy.deepcopy(frozen)
    for p in copied.constants:
        p.node = Leaf(p)
    return copied.module.train()
