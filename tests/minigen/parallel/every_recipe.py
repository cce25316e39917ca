"""python tests/minigen/parallel/every_recipe.py [NAME ...]: whether the gradients of each recipe's first two steps are
those of one worker where two share the batch. Prints the largest relative difference of a player's gradient, in float32,
and exits with 1 if one is above LIMIT: then the loss draws, or averages, over the batch in a way of its own. Weights are
nudged first: while biases are 0, even parts of an image lie on a rectifier's kink, where rounding decides."""
import runpy
import sys
import time
from pathlib import Path

import numpy as np

from autograd import backend
from minigen import data, recipes, runs
from minigen.train import Run

LIMIT = 1e-2  # in float32, after first steps of Adam, which make much of what is little
EXAMPLES = 64  # of the data, and at most in a batch
together = runpy.run_path(str(Path(__file__).with_name("simulated.py")))["together"]


def gradients(recipe, size):
    """Those of the first two steps, in worker 0: (player, array) in the order in which they were made."""
    dataset = data.load(recipe.data).first(EXAMPLES)

    def work(world):
        rng, found = world.rng(0), []
        plan = recipe.plan(dataset, rng, **parts(recipe, dataset))
        nudge = np.random.default_rng(1)
        for p in plan.model.parameters():
            p.data += 0.05 * nudge.standard_normal(p.shape).astype(p.dtype)
            p.mark_changed()
        for stage in plan.stages:
            stage.batch_size = min(stage.batch_size, 13)  # not a multiple of two
        run = Run(plan, dataset, rng=rng, steps=max(2, len(plan.stages)), world=world)
        plan.model.train()
        while not run.over:
            for name, optimizer in run.optimizers.items():
                vars(optimizer)["step"] = noting(type(optimizer).step.__get__(optimizer), name, found)
            run.advance()
        return found

    return together(size, work)[0]


def noting(step, name, found):
    def noted(grads, *args):
        flat = [np.ravel(backend.to_numpy(g.data)) for g in grads if g is not None]
        found.append((name, np.concatenate(flat or [np.zeros(0)])))
        step(grads, *args)

    return noted


def parts(recipe, dataset):
    return {name: runs.Frozen(runs.untrained_plan(recipes.find(needed), dataset, backend.rng(1)).model)
            for name, needed in recipe.needs.items()}


def main(names):
    worst = 0.0
    for recipe in [recipes.find(each.name) for each in recipes.catalogue()]:
        if names and recipe.name not in names:
            continue
        began = time.process_time()
        try:
            alone, shared = gradients(recipe, 1), gradients(recipe, 2)
            pairs = list(zip(alone, shared, strict=True))
            far = [(np.linalg.norm(a - b) / max(np.linalg.norm(a), 1e-12), name) for (name, a), (_, b) in pairs]
            found = max(far, default=(0.0, "no player"))
            print(f"{recipe.name:24} {found[0]:.1e} {found[1]:20} {time.process_time() - began:.1f} s"
                  + (" <--" if found[0] > LIMIT else ""), flush=True)
            worst = max(worst, found[0])
        except Exception as error:
            print(f"{recipe.name:24} {type(error).__name__}: {str(error)[:300]} <--", flush=True)
            worst = 1.0
    return int(worst > LIMIT)


if __name__ == "__main__":
    with np.errstate(all="ignore"):
        sys.exit(main(sys.argv[1:]))
