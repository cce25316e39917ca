"""How long a setting will take here, and how large its model is: `python -m minigen.ledger.timing RECIPE DATA [STEPS]`.

A process of its own, so that what timing needs of memory is not counted as that of the trainings that follow.
Used by: reproduce.py.
"""
import json
import sys

from autograd import backend

from .. import data, recipes, runs
from ..train import expected_seconds


def main(recipe, on, steps=None):
    dataset, rng = data.load(on), backend.rng(0)
    plan = runs.fitted(runs.untrained_plan(recipes.find(recipe), dataset, rng), dataset)
    parameters = plan.model.num_parameters()
    seconds = expected_seconds(plan, dataset, rng, int(steps) if steps else None)
    print(json.dumps({"parameters": parameters, "seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
