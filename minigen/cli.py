"""The command line: minigen list | train | sample | evaluate | doctor | step | reproduce | compare | check.

    minigen train vae                              # on the recipe's own data, into runs/vae
    minigen train vae --data digits --budget 5m
    minigen train vae --data photos --size 32      # on a folder of your own images
    minigen train vae --resume                     # goes on where it was stopped or killed
    minigen sample runs/vae -n 100
    minigen evaluate runs/vae --split test
    minigen compare text_to_image                  # all such runs, on the same captions

A conditional model's samples take what it can be told as further options, made from its conditions and the names in its
data: `--y 3`, `--y trouser`, `--text "a red square"`, `--source drawing.png`.

A mistake of the user's is one line on stderr and exit status 2. Read before this: recipes/registry.py, runs.py.
"""
import argparse
import contextlib
import math
import os
import shlex
import signal
import sys
import traceback
from dataclasses import asdict
from pathlib import Path

from autograd import backend, check, detect_anomaly

from . import checkpoint, comparisons, data, ledger, look, recipes, runs, workers
from .conditions import asked_conditions
from .evaluate import draw_samples, evaluate
from .journal import CHECKPOINT, Journal, format_duration, parse_duration, say
from .parallel.world import WorkerLost
from .train import expected_seconds, train


def main(argv=None) -> int:
    """Runs one command. Returns the exit status: 0, 2 after an error, 130 or 143 if a signal ended it."""
    for name in ("stdout", "stderr"):  # closed by who started the program: then nobody reads
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
    parser = _parser()
    try:
        args, rest = parser.parse_known_args(argv)
        if args.command is None:
            parser.print_help()
            return 0
        if rest and args.command is not sample_run:  # whose further options depend on the run
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        args.rest = rest
        if args.device:
            backend.use(args.device)
        with detect_anomaly() if args.debug else contextlib.nullcontext():
            return workers.carry_out(args)
    except KeyboardInterrupt:
        _complain("minigen: interrupted")
        return 128 + signal.SIGINT
    except Exception as error:  # the border to the user: whatever went wrong becomes one line
        if "--debug" in (sys.argv if argv is None else argv):
            traceback.print_exc()
        _complain(f"minigen: {_one_line(error)}")
        return 2


# The commands


def list_recipes(args) -> int:
    family = None
    for recipe in recipes.catalogue():
        if recipe.family != family:
            say(f"{recipe.family}:")
            family = recipe.family
        say(f"  {recipe.name:20} {recipe.summary} ({recipe.paper}); on {recipe.data}")
    return 0


def train_recipe(args) -> int:
    """Trains a recipe; leaves a checkpoint, samples.png, curves.png and figures.json in the run's folder."""
    recipe = recipes.find(args.recipe)
    budget = None if args.budget is None else parse_duration(args.budget)
    asked = {key: getattr(args, key) for key in ("data", "size", "seed") if getattr(args, key) is not None}
    if args.steps is not None or budget is not None:  # a budget alone lifts the recipe's limit of steps
        asked |= {"steps": args.steps, "budget": budget}
    if args.resume:
        out = Path(args.out) if args.out else runs.latest(recipe.name)
        settings, resume = _resumed(recipe, out, asked)
    else:
        settings, resume = {**runs.SETTINGS, "recipe": recipe.name, "data": recipe.data, **asked}, False
        runs.require_accepted(recipe, settings)
        out = runs.claim(recipe.name, args.out)
        if not args.out and out.name != recipe.name:
            say(f"'{runs.RUNS / recipe.name}' is taken: this run goes into '{out}' (--resume goes on with the latest)")
    try:
        with runs.locked(out):
            part_runs = _part_runs(recipe, args.part)
            _announce(recipe, settings, runs.missing(recipe, settings, part_runs, out))
            return _train(recipe, out, settings, resume, part_runs, args.world)
    finally:
        runs.forget_empty(out)  # of a run that was never begun


def sample_run(args) -> int:
    trained = runs.load(args.run)
    workers.divide(args.world, trained)
    asked = asked_conditions(trained.model, trained.data, args.rest, _Parser)
    path = Path(args.out or Path(args.run) / "samples.png")
    if path.is_dir():
        raise IsADirectoryError(f"--out '{path}' is a folder; give the name of a PNG file in it")
    if path.name == CHECKPOINT or path.suffix.lower() not in (".png", ""):
        raise ValueError(f"--out '{path}' is not the name of a PNG file; give one, e.g. samples.png")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"--out '{path}' is in a folder that is not there; create it")
    with trained.evaluating():
        lines = draw_samples(trained.model, args.n, backend.rng(args.seed or 0), path, trained.data, asked)
    for line in lines:
        say(line)
    say(f"wrote '{path}'")
    return 0


def evaluate_run(args) -> int:
    trained = runs.load(args.run)
    workers.divide(args.world, trained)
    split = data.load(trained.data.name, args.split, size=trained.metadata.get("size"))
    _evaluate(trained.model, trained.evaluating, split, trained.data, trained.metadata, Path(args.run), args.n,
              args.seed or 0)
    return 0


def check_ops(args) -> int:
    return check.main()


# What they share


def _train(recipe, out, settings, resume, part_runs, world) -> int:
    """Trains a recipe as the settings say, and what it needs and is missing, first. Returns the exit status."""
    runs.remove_unfinished(out)
    dataset, valid = (data.load(settings["data"], split, size=settings["size"]) for split in ("train", "valid"))
    digest = runs.data_digest(dataset)
    if resume and settings["data_digest"] != digest:
        raise ValueError(f"cannot resume: '{dataset.name}' has changed since the run in '{out}' began; begin another "
                         "run, or bring the data back as they were")
    settings = {**settings, "data_digest": digest}
    status = _prepare_parts(recipe, out, settings, part_runs, world)
    if status:
        return status
    world.broadcast(("train", recipe.name, out, settings, resume))
    run = workers.begin(world, recipe, dataset, out, settings)
    plan = run.plan
    say(f"{recipe.name}: {plan.model.num_parameters():,} parameters, seed {settings['seed']}, {backend.device()}, "
        f"into '{out}'\n{dataset.note}")
    if run.seed is not None:
        say("the step of training is captured: a CUDA graph, replayed without Python")
    if resume:
        run.restore(out / CHECKPOINT)
        of = f" of {run.steps:,}" if run.steps < float("inf") else ""
        say(f"going on from step {run.step:,}{of}" + (f", {run.rates()}" if run.optimizers else ""))

    def draw(path):
        draw_samples(plan.model, None, backend.rng(0), path, dataset)

    draws = hasattr(plan.model, "sample")
    journal = Journal(out, valid, draw if draws else None, settings)
    run.save(out / CHECKPOINT, settings)  # whoever may not write here is told now, not after the training
    try:
        train(run, journal)
    except WorkerLost as error:
        raise WorkerLost(f"{error}. The run stops at step {run.step}; {run.checkpoint}") from error
    if journal.stopped_by:
        say(f"stopped by {journal.stopped_by}: {run.checkpoint}\n"
            f"go on with: minigen train {recipe.name} --resume --out {shlex.quote(str(out))}")
        return 128 + signal.Signals[journal.stopped_by]
    if run.step:
        say(f"{run.step:,} steps in {format_duration(run.seconds)}: see curves.png in '{out}'")
    if draws:
        say(f"wrote '{out / 'samples.png'}'")
    _evaluate(plan.model, run.evaluating, valid, dataset, {**settings, "step": run.step}, out)
    if journal.unsaved:
        raise OSError(f"the run is not saved: {journal.unsaved}; '{out / CHECKPOINT}' holds an earlier step, if any")
    return 0


def _announce(recipe, settings, missing) -> None:
    """Says how long all takes, where there is more to train than the recipe itself."""
    if not missing:
        return
    say(f"'{recipe.name}' needs parts that are not trained yet: " + ", then ".join(f"'{part.name}'" for part in missing)
        + "; timing a few steps of each")
    dataset, total, told = data.load(settings["data"], size=settings["size"]), 0.0, []
    for each in (*missing, recipe):
        own = settings if each is recipe else runs.SETTINGS
        seconds = own["budget"] or math.inf
        if own["steps"] or not own["budget"]:
            rng = backend.rng(0)
            plan = runs.fitted(runs.untrained_plan(each, dataset, rng), dataset)
            seconds = min(seconds, expected_seconds(plan, dataset, rng, own["steps"]))
        told.append(f"'{each.name}' about {format_duration(seconds)}")
        total += seconds
    say(", ".join(told) + f": {format_duration(total)} in all, and the time of the evaluations")


def _prepare_parts(recipe, out, settings, part_runs, world) -> int:
    """Puts the parts that the recipe needs into the run's folder; trains those that nobody has trained yet."""
    for name, needed in recipe.needs.items():
        if (out / "parts" / name / CHECKPOINT).is_file():
            continue
        folder = part_runs.get(name) or runs.finished_run(needed, settings)
        if folder is None:
            own = {**runs.SETTINGS, "recipe": needed, **{key: settings[key] for key in ("data", "size", "data_digest")}}
            begun = runs.unfinished_run(needed, own)
            folder = begun or runs.claim(needed)
            say(f"'{recipe.name}' needs a trained '{needed}': " + (f"going on with that in '{folder}'" if begun else
                                                                 f"training it first, into '{folder}'"))
            with runs.locked(folder):
                status = _train(recipes.find(needed), folder, own, begun is not None, {}, world)
            if status:
                return status
        trained = runs.load(folder)
        if trained.metadata["recipe"] != needed:
            raise ValueError(f"--part {name}: '{folder}' holds a run of '{trained.metadata['recipe']}', and "
                             f"'{recipe.name}' needs '{needed}' there")
        say(f"{name}: '{folder}', step {trained.metadata['step']:,}")
        runs.store_part(trained, out / "parts" / name)
    return 0


def _part_runs(recipe, given) -> dict:
    """Name of a part -> folder, of the options --part NAME=RUN."""
    found = {}
    for text in given or []:
        name, equals, folder = text.partition("=")
        if not equals or name not in recipe.needs:
            known = ", ".join(recipe.needs) or "no parts"
            raise ValueError(f"--part '{text}': expected NAME=RUN, and '{recipe.name}' needs {known}")
        found[name] = Path(folder)
    return found


def _resumed(recipe, out, asked):
    """(what to train, whether there is a checkpoint to go on from): as the command line says, else as the run began."""
    settings = {**runs.SETTINGS, "recipe": recipe.name, "data": recipe.data}
    path = out / CHECKPOINT
    if not path.is_file():
        ours = lambda file: file.name == "parts" or file.name.endswith(".unfinished")  # of a run that was not begun yet
        if out.is_dir() and not all(map(ours, out.iterdir())):
            raise FileNotFoundError(f"'{out}' holds files but no run to resume; give the run's folder: --out")
        out.mkdir(parents=True, exist_ok=True)
        say(f"'{out}' holds no checkpoint yet: starting from the beginning")
        settings |= asked
        runs.require_accepted(recipe, settings)
        return settings, False
    began = runs.read(path)[1]
    for key, value in {"recipe": recipe.name, **asked}.items():
        if key in ("recipe", "data", "size", "seed") and value != began.get(key):
            raise ValueError(f"'{out}' holds a run with {key} {began.get(key)}, not {value}: resume it unchanged, or "
                             "leave out --resume to begin another")
    return {**{key: began.get(key) for key in settings}, **asked}, True


def _evaluate(model, evaluating, split, train_data, metadata, out, n=None, seed=0) -> None:
    """Measures the model on the first n examples of a split, writes figures.json, and prints it."""
    which = f"the first {min(n, len(split)):,} of " if n else ""
    say(f"evaluating on {which}{split.note}; ± is half a 95 % interval")
    with evaluating():
        measures = evaluate(model, split.first(n), backend.rng(seed), train_data)
    about = {key: metadata[key] for key in ("recipe", "data", "size", "seed", "step")}
    about |= {"split": split.split, "examples": len(split.first(n)), "figures": [_plain(m) for m in measures]}
    checkpoint.write(out / "figures.json", (checkpoint.to_json(about, indent=2) + "\n").encode())
    for measure in measures:
        say(f"  {measure}")


def _plain(measure) -> dict:
    """A Measure for JSON, which has no NaN."""
    return {key: checkpoint.finite(value) if isinstance(value, float) else value
            for key, value in asdict(measure).items()}


def _complain(line) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(line, file=sys.stderr, flush=True)


def _one_line(error) -> str:
    """The error in one line, for someone who has not written the program."""
    text = " ".join(str(error).split())[:1000]
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror.lower() + (f": '{error.filename}'" if error.filename else "")
    if isinstance(error, PermissionError):
        text += "; choose a place that you may write to, with --out"
    if isinstance(error, (ValueError, OSError, RuntimeError, ArithmeticError)):
        return text
    return f"{type(error).__name__}: {text} (--debug shows where)"


class _Parser(argparse.ArgumentParser):
    def __init__(self, **settings):
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message):
        self.exit(2, f"minigen: {message[:500]}; see {self.prog} --help\n")


def _parser():
    common = _Parser(add_help=False)
    common.add_argument("--device", choices=["cpu", "cuda"], help="where to compute; default: cpu")
    common.add_argument("--debug", action="store_true", help="name the op that makes a NaN; show tracebacks")
    seed = _Parser(add_help=False)
    seed.add_argument("--seed", type=_natural(0), help="of all random numbers; default: 0")
    run = _Parser(add_help=False)
    run.add_argument("run", metavar="RUN", help="the folder of a trained run, e.g. runs/vae")

    crew = _Parser(add_help=False)
    crew.add_argument("--workers", metavar="N", type=_natural(1), default=1, help="processes that share the work, as "
                      "many as there are cores, say; default: 1")

    parser = _Parser(prog="minigen", description="Deep generative models, trained, sampled and measured.")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(metavar="COMMAND")

    def add(name, command, text, *parents):
        added = commands.add_parser(name, parents=[*parents, common], help=text, description=text)
        added.set_defaults(command=command)
        return added

    add("list", list_recipes, "Prints what can be trained.")
    add("check", check_ops, "Compares the gradient of every op with finite differences.")

    sub = add("train", train_recipe, "Trains a recipe; leaves a checkpoint, samples.png, curves.png and figures.json "
              "in the run's folder.", seed, crew)
    sub.add_argument("recipe", metavar="NAME", help="a recipe, see `minigen list`")
    sub.add_argument("--data", metavar="NAME", type=_resolved, help="the data set, default: the recipe's; or the path "
                     "of your own: a folder of images, a file .npy, .npz or IDX, points as .csv")
    sub.add_argument("--size", type=_size, help="of your own images, e.g. 32, or 32x48, the height first: the "
                                                "middle is resized; default: the size that they all have")
    sub.add_argument("--steps", type=_natural(1), help="default: the recipe's, or no limit with --budget; learning "
                                                       "rates are stretched over them")
    sub.add_argument("--budget", metavar="TIME", help="train this long, e.g. 90s, 5m, 1h30m; learning rates are "
                                                      "stretched over it")
    sub.add_argument("--part", metavar="NAME=RUN", action="append", help="the run to take a part from that the recipe "
                                                                         "needs; default: the latest, or a new one")
    sub.add_argument("--out", metavar="FOLDER", help="of the run; default: runs/NAME, or runs/NAME-2, ...")
    sub.add_argument("--resume", action="store_true", help="go on with the run in --out, or NAME's latest")

    sub = add("sample", sample_run, "Draws samples of a trained run.", run, seed, crew)
    sub.add_argument("-n", type=_natural(1), help="how many; default: 64 images or 2000 points, 8 for each class")
    sub.add_argument("--out", metavar="FILE", help="default: samples.png in the run's folder")

    sub = add("evaluate", evaluate_run, "Prints a trained run's figures on a split, and leaves them in figures.json.",
              run, seed, crew)
    sub.add_argument("-n", type=_natural(2), help="only the first n examples")
    sub.add_argument("--split", choices=data.SPLITS, default="test", help="default: test")
    look.add_commands(add, run, seed, _resolved)
    comparisons.add_command(add, _natural)
    ledger.add_command(add)
    return parser


def _resolved(name):
    """A type for argparse: a data set's name, or a path made absolute, as another sitting may begin elsewhere."""
    try:
        return data.resolve(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _size(text):
    """A type for argparse: the size of images, "HxW"."""
    try:
        return "x".join(map(str, data.parse_size(text)))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _natural(least):
    """A type for argparse: whole numbers from `least` on."""

    def parse(text):
        if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) >= least):
            raise argparse.ArgumentTypeError(f"'{text[:40]}' is not a whole number of at least {least}")
        return int(text)

    return parse
