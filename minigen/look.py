"""Looking inside: a trained run that is opened again as it was, for the doctor; a recipe's step, op by op.

    minigen doctor runs/vae                        # what is wrong with it, and what to do
    minigen step ddpm --html step.html             # one step of training, op by op

Read before this: runs.py, doctor/case.py, step/observe.py. Read next: cli.py.
"""
from pathlib import Path

from autograd import backend

from . import data, recipes, runs
from .doctor import CHECKS, Case, examine
from .journal import CHECKPOINT, say
from .step import observe, page, text
from .train import Run

WARM_UP = 5  # steps before the one that is shown: the first are slow, and gradients not yet what they become


def reopened(folder) -> Case:
    """The run in a folder as it was at its checkpoint, optimizers and curves included, beside its valid split and the
    weights that it began with. Errors as of runs.load."""
    trained, folder = runs.load(folder), Path(folder)
    metadata, dataset = trained.metadata, trained.data
    rng, recipe = backend.rng(metadata["seed"]), recipes.find(metadata["recipe"])
    plan = runs.fitted(recipe.plan(dataset, rng, **runs.stored_parts(recipe, folder)), dataset)
    initial = plan.model.state_dict()
    run = Run(plan, dataset, rng=rng, steps=metadata.get("steps"), budget=metadata.get("budget"), captured=False)
    run.restore(folder / CHECKPOINT)
    return Case(run, data.load(dataset.name, "valid", size=metadata.get("size")), initial)


def examine_run(args) -> int:
    """Prints what is wrong with a run, if anything is found."""
    case = reopened(args.run)
    findings = examine(case)
    run = case.run
    say(f"'{args.run}': step {run.step:,}, where the recipe has {run.plan.steps:,}; {len(CHECKS)} checks")
    for finding in findings:
        say(str(finding))
    if not findings:
        say("nothing was found; whether it is good, samples and `minigen evaluate` must show")
    return 0


def open_step(args) -> int:
    """Prints one training step of a recipe, op by op; parts that it needs are not trained."""
    recipe, path = recipes.find(args.recipe), args.html and Path(args.html)
    if path and (path.is_dir() or not path.parent.is_dir()):
        raise FileNotFoundError(f"--html '{path}' is a folder, or in one that is not there; give the name of a file")
    settings = {**runs.SETTINGS, "data": args.data or recipe.data}
    runs.require_accepted(recipe, settings)
    dataset, rng = data.load(settings["data"]), backend.rng(args.seed or 0)
    plan = runs.fitted(runs.untrained_plan(recipe, dataset, rng), dataset)
    run = Run(plan, dataset, rng=rng, steps=WARM_UP + len(plan.stages), captured=False)
    for _ in range(WARM_UP if run.stage else 0):
        run.advance()
    players = observe(run)
    title = (f"{recipe.name} on {dataset.name}: step {run.step + 1}, batches of {run.stage.batch_size}, "
             f"{plan.model.num_parameters():,} parameters, {backend.device()}")
    say(f"{title}\n")
    say(text(players))
    if path:
        path.write_text(page(title, players), encoding="utf-8")
        say(f"wrote '{path}'")
    return 0


def add_commands(add, run, seed, data_set) -> None:
    """Adds `doctor` and `step` to the command line. add(name, command, text, *options) -> its parser; run, seed:
    options that others have; data_set: a type of option."""
    add("doctor", examine_run, "Says what is wrong with a trained run, each finding with the number it rests on.", run)
    sub = add("step", open_step, "Prints one training step of a recipe, op by op: gradients, time, bytes.", seed)
    sub.add_argument("recipe", metavar="NAME", help="a recipe, see `minigen list`")
    sub.add_argument("--data", metavar="NAME", type=data_set, help="the data set, default: the recipe's")
    sub.add_argument("--html", metavar="FILE", help="writes it as a page, too")
