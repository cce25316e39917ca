"""What reaches each layer: gradients, and units that never answer.

Read before this: case.py, autograd/listing.py.
"""
import numpy as np

from autograd import grad
from autograd.backend import to_numpy
from autograd.listing import listing

from ..nn.module import in_eval_mode
from .case import Finding

VANISHED = 1e-6  # of the largest gradient
DEAD = 0.8  # of a layer's units
CLIPPED = 20  # times the largest norm that a stage allows


def gradients(case):
    """Weights that no gradient reaches, or next to none; and norms far above what is clipped."""
    names = {id(p): name for name, p in case.model.named_parameters()}
    for player in case.run.players:
        with in_eval_mode(case.model):
            loss = next(iter(player.loss(case.given_to(player, 64), case.rng()).values()))
            if loss.node is None:
                yield Finding("no gradient", f"the loss of '{player.name}' depends on no weight at all",
                              "is it computed under no_grad, or from detached numbers?", 0.0)
                continue
            found = grad(loss, player.params, allow_unused=True)
        sizes = {names.get(id(p), "?"): 0.0 if g is None else float(np.sqrt(np.mean(np.square(to_numpy(g.data)))))
                 for p, g in zip(player.params, found) if p.ndim > 1}
        largest = max(sizes.values(), default=0.0)
        lost = [name for name, size in sizes.items() if size <= VANISHED * largest]
        if lost:
            some = ", ".join(lost[:3]) + (", ..." if len(lost) > 3 else "")
            yield Finding("no gradient", f"next to none of '{player.name}' reaches {len(lost)} of {len(sizes)} arrays "
                          f"of weights, at most {VANISHED:g} of the largest: {some}",
                          "are all relus before them dead, is something detached, or multiplied by 0?",
                          len(lost) / len(sizes))
        clip = case.run.stage.clip
        norm = float(np.sqrt(sum(np.square(to_numpy(g.data)).sum() for g in found if g is not None)))
        if clip and norm > CLIPPED * clip:
            yield Finding("always clipped", f"the gradient of '{player.name}' has a norm of {norm:.3g}, and {clip:g} "
                          "is left of it: every step is as long as any other",
                          "a larger clip, or a loss that is a mean and not a sum", norm / clip)


def dead_units(case):
    """Layers most of whose rectifiers were 0 for every example."""
    names = {id(module): name or type(module).__name__ for name, module in case.model.named_modules()}
    for player in case.run.players:
        alive = {}  # which relu of the loss -> (its module, which units answered at all)

        def look(op, y, alive=alive):
            if op.name == "relu" and y.ndim > 1:
                unit = 1 if y.ndim == 4 else y.ndim - 1
                answers = to_numpy(y > 0).any(axis=tuple(axis for axis in range(y.ndim) if axis != unit))
                key = (op.file, op.line, op.owner(names), len(answers))
                alive[key] = alive.get(key, False) | answers

        with in_eval_mode(case.model), listing(look):
            player.loss(case.given_to(player), case.rng())
        for (_, _, owner, units), answers in alive.items():
            dead = 1 - answers.mean()
            if units >= 8 and dead > DEAD:
                yield Finding("dead units", f"{dead:.0%} of the {units} units of {owner} are 0 for all examples",
                              "a smaller learning rate, leaky_relu in the place of relu, or weights that begin smaller",
                              float(dead))


CHECKS = [gradients, dead_units]
