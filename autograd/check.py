"""Runs the table of cases: every op, first and second order, against central differences in random directions.

    python -m minigen check            # the table, on NumPy, and on CuPy where there is a GPU
    rows = check.run(rng)              # [(case, first-order error, second-order error, message or "")]

Read before this: gradcheck.py, cases.py.
"""
from . import backend
from .cases import CASES
from .gradcheck import GradcheckError, gradcheck, gradgradcheck


def run(rng, cases=CASES):
    """Checks each case; yields (case, error of the first derivative, error of the second, what failed or "")."""
    for case in cases:
        inputs = case.inputs(rng)
        errors, message = [float("nan")] * 2, ""
        for order, check in enumerate((gradcheck, gradgradcheck)):
            try:
                errors[order] = check(case.f, inputs, rng)
            except GradcheckError as error:
                message = message or f"order {order + 1}: {error}"
        yield case, *errors, message


def main(seed=0) -> int:
    """Prints the table for each device there is. Returns 0 if every case passed, 1 otherwise."""
    before = backend.device()
    try:
        return int(any([_table(device, seed) for device in devices()]))
    finally:
        backend.use(before)


def _table(device, seed) -> int:
    """Prints it; the number of cases that failed."""
    backend.use(device)
    print(f"gradients against central differences in random directions, float64, {device}, seed {seed}")
    print(f"{'op':44}{'1st order':>11}{'2nd order':>11}  result")
    messages = []
    for case, first, second, message in run(backend.rng(seed)):
        print(f"{case!s:44}{first:11.1e}{second:11.1e}  {'FAIL ' + message if message else 'pass'}")
        messages.append(message)
    failed = sum(map(bool, messages))
    print(f"{len(messages)} cases, {failed} failed")
    return failed


def devices():
    """The devices that can be used here: "cpu", and "cuda" where CuPy finds a GPU."""
    before = backend.device()
    try:
        backend.use("cuda")
    except RuntimeError:
        return ["cpu"]
    finally:
        backend.use(before)
    return ["cpu", "cuda"]
