"""Resume: what is asked of a run's checkpoint before a run goes on from it, or a model is taken out of it.

Read before this: checkpoint.py. Read next: train.py, whose Run goes on from what is read here.
"""
import numpy as np

from . import checkpoint


def read_run(path):
    """A run's checkpoint: (tensors, metadata). ValueError if it is no run's, or holds numbers that are not finite."""
    tensors, metadata = checkpoint.load(path)
    where = metadata.get("stage")
    wrong = [key for key, kind in (("step", int), ("seconds", (int, float)), ("terms", list), ("settings", dict))
             if not isinstance(metadata.get(key), kind)]
    wrong += [key for key in ("step", "seconds") if key not in wrong and metadata[key] < 0]
    if where is not None:
        keys = "number", "first_step", "first_second"
        numbers = [where.get(key) for key in keys] if isinstance(where, dict) else [None]
        wrong += ["stage"] * any(not isinstance(number, (int, float)) or number < 0 for number in numbers)
    if wrong:
        raise ValueError(f"'{path}' is damaged, or not a run's checkpoint: {wrong[0]} is "
                         f"{str(metadata.get(wrong[0]))[:40]}; delete it and train again")
    for name, array in tensors.items():
        if array.dtype.kind == "f" and not name.startswith("history") and not np.isfinite(array).all():
            raise ValueError(f"'{path}' is damaged: {name} holds numbers that are not finite; train again")
    return tensors, metadata


def load_weights(model, ema, tensors) -> None:
    """Writes a checkpoint's weights into the model, and its averages into ema, an EMA or None."""
    model.load_state_dict(checkpoint.with_prefix("model", tensors))
    if ema:
        ema.load_state_dict(checkpoint.with_prefix("ema", tensors))


def require_equal(saved, here):
    """ValueError that names the first setting that a saved run and this one do not share."""
    def differences(name, a, b):
        if isinstance(a, dict) and isinstance(b, dict):
            for key in {**a, **b}:
                yield from differences(f"{name} {key}".strip(), a.get(key), b.get(key))
        elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
            for x, y in zip(a, b):
                yield from differences(name, x, y)
        elif a != b:
            yield f"{name} {a}, this one has {b}"

    found = next(differences("", saved, here), None)
    if found:
        raise ValueError(f"cannot resume: the saved run has {found}; go on with the same settings, or begin another "
                         "run")
