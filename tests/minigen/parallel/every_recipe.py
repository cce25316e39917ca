"""python tests/minigen/parallel/every_recipe.py [NAME ...]: whether the gradients of each recipe's first two steps are
those of one worker where two share the batch. Prints the largest relative difference of a player's gradient, in float64
(in float32 where a recipe has constants of that), and exits with 1 if one is above LIMITS: then the loss draws, or
averages, over the batch in a way of its own. Weights are nudged first: while biases are 0, even parts of an image lie on
a rectifier's kink, where rounding decides."""
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from autograd import backend
from minigen import data, recipes, runs
from minigen.train import Run

LIMITS = {"float64": 1e-7, "float32": 1e-2}  # after first steps of Adam, which make much of what is little
EXAMPLES = 64  # of the data, and at most in a batch
TOOLS = runpy.run_path(str(Path(__file__).with_name("simulated.py")))


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

    return TOOLS["together"](size, work)[0]


def noting(step, name, found):
    def noted(grads, *args):
        flat = [np.ravel(backend.to_numpy(g.data)) for g in grads if g is not None]
        found.append((name, np.concatenate(flat or [np.zeros(0)])))
        step(grads, *args)

    return noted


def parts(recipe, dataset):
    return {name: runs.Frozen(runs.untrained_plan(recipes.find(needed), dataset, backend.rng(1)).model)
            for name, needed in recipe.needs.items()}


def compared(recipe):
    """(dtype, the largest difference, of which player)."""
    for dtype in ("float64", "float32"):
        with pytest.MonkeyPatch.context() as patch:
            if dtype == "float64":
                TOOLS["in_float64"](patch)
            try:
                pairs = list(zip(gradients(recipe, 1), gradients(recipe, 2), strict=True))
            except TypeError:
                if dtype == "float32":
                    raise
                continue
        far = [(np.linalg.norm(a - b) / max(np.linalg.norm(a), 1e-12), name) for (name, a), (_, b) in pairs]
        return dtype, *max(far, default=(0.0, "no player"))


def main(names):
    wrong = 0
    for recipe in [recipes.find(each.name) for each in recipes.catalogue()]:
        if names and recipe.name not in names:
            continue
        try:
            dtype, found, player = compared(recipe)
            told, good = f"{found:.1e} {dtype} {player}", found < LIMITS[dtype]
        except Exception as error:
            told, good = f"{type(error).__name__}: {str(error)[:300]}", False
        print(f"{recipe.name:24} {told}{'' if good else ' <--'}", flush=True)
        wrong += not good
    return int(wrong > 0)


if __name__ == "__main__":
    with np.errstate(all="ignore"):
        sys.exit(main(sys.argv[1:]))
