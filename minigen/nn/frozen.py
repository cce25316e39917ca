"""Frozen: a trained network that another model uses, and does not train.

    class LatentDiffusion(Module):
        def __init__(self, autoencoder, ...):
            self.autoencoder = autoencoder              # a Frozen: no child of this module

A Frozen is no Module: what asks a model for its parameters, sets it to training mode, averages or saves it, passes it
by. Its weights are constants, so that they cost nothing in the graph; gradients still flow through it to its input.
Read before this: module.py.
"""


class Frozen:
    """module, in eval mode for good, its parameters turned to constants; called and asked for attributes like it.
    frozen_state: the state_dict that it had until then, for a model that is to start where it ended."""

    def __init__(self, module):
        self.frozen_state = module.state_dict()
        for p in module.eval().parameters():
            p.node = None
        self.module = module

    def __call__(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    def __getattr__(self, name):
        if name.startswith("__") or name in ("module", "frozen_state"):  # copy and pickle ask before they are there
            raise AttributeError(name)
        return getattr(self.module, name)

    def __repr__(self):
        return f"Frozen({type(self.module).__name__})"
