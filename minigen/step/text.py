"""A step as text, 100 columns wide. Read before this: observe.py."""
import math
import textwrap

WIDTH = 100

HEAD = (f" {'':9} {'op':16} {'line':>14} {'shape':>11} {'mean±dev':>12} {'|dL/dy|':>7} {'ms':>5} {'back':>5} "
        f"{'kB':>5} {'back':>5}")


def text(players) -> str:
    """All players of a step, each with its ops by module, its totals, and what was slowest and largest."""
    return "\n\n".join(_player(played) for played in players) + "\n"


def _player(played):
    lines = ["", HEAD]
    for module, rows in played.groups():
        lines.append(f"{module} ({played.kinds[module]})" if module in played.kinds else module)
        lines += [_row(row) for row in rows]
    total = played.seconds + played.back_seconds
    lines += ["", totals(played), "slowest, forward and backward:"]
    lines += [f"  {1e3 * row.total_seconds:6.2f} ms {row.total_seconds / max(total, 1e-12):4.0%}  {name_of(row)}"
              for row in played.slowest()]
    lines.append("largest, result, kept and gradient:")
    lines += [f"  {size(row.size + row.kept + row.back_size):>8}B      {name_of(row)}" for row in played.largest()]
    return "\n".join([*textwrap.wrap(headline(played), WIDTH, subsequent_indent="  "), *(
        line if len(line) <= WIDTH else line[:WIDTH - 1] + "~" for line in lines)])


def headline(played) -> str:
    """Who moved, its loss, and its gradient."""
    terms = ", ".join(f"{name} {value:.4g}" for name, value in played.terms.items())
    often = f", shown once of {played.repeat} times a step" if played.repeat > 1 else ""
    clipped = f", clipped to {played.clip:g}" if played.norm > played.clip else ""
    return f"player '{played.name}'{often}: {terms}; |gradient| {played.norm:.3g}{clipped}"


def totals(played) -> str:
    """How many ops there were, and what they took."""
    return (f"{sum(row.count for row in played.rows)} ops; forward {1e3 * played.seconds:.1f} ms, backward "
            f"{1e3 * played.back_seconds:.1f} ms, optimizer {1e3 * played.step_seconds:.1f} ms; {size(played.kept)}B "
            "kept for the backward pass")


def name_of(row) -> str:
    return f"{row.op}{times(row)} in {row.module}, {row.where}, {shape_of(row)}"


def times(row) -> str:
    return f" x{row.count}" if row.count > 1 else ""


def shape_of(row) -> str:
    return "x".join(map(str, row.shape)) or "()"


def number(x) -> str:
    """A number in at most seven characters."""
    short = f"{x:.2g}" if x == 0 or 1e-3 <= abs(x) < 1e5 else f"{x:.1e}"
    return short.replace("e-0", "e-").replace("e+0", "e")


def spread(row) -> str:
    """mean±deviation in at most twelve characters, both to two digits of the deviation where that is possible."""
    if row.deviation == 0:
        return f"{row.mean:.4g}"
    digits = max(0, 1 - math.floor(math.log10(row.deviation)))
    exact = f"{row.mean:.{digits}f}±{row.deviation:.{digits}f}"
    short = f"{row.mean:.0e}±{row.deviation:.0e}".replace("e-0", "e-").replace("e+0", "e")
    return exact if len(exact) <= 12 else short


def size(count) -> str:
    """Bytes with k, M or G."""
    for unit, of in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.9995 * of:
            return f"{count / of:.3g} {unit}"
    return f"{count} "


def _kilo(count):
    return "" if not count else f"{count / 1e3:.0f}" if count < 99.5e6 else f"{count / 1e6:.0f}M"


def _short(op, width):
    """The beginning of an op's name, and its prime."""
    return op if len(op) <= width else op[:width - 2] + "~" + op[-1] if op[-1] == "'" else op[:width - 1] + "~"


def _cut(what, width):
    """The end of a name that is too long for its column, as that tells more."""
    return what if len(what) <= width else "~" + what[1 - width:]


def _row(row):
    count = times(row)
    gradient = "" if row.gradient is None else number(row.gradient)
    return (f" {_cut(row.part, 9):9} {_short(row.op, 16 - len(count)) + count:16} {_cut(row.where, 14):>14} "
            f"{_cut(shape_of(row), 11):>11} {spread(row):>12} {gradient:>7} {_milli(row.seconds):>5} "
            f"{_milli(row.back_seconds):>5} {_kilo(row.size):>5} {_kilo(row.back_size):>5}").rstrip()


def _milli(seconds):
    return "" if not seconds else f"{1e3 * seconds:.2f}" if seconds < 0.09995 else f"{1e3 * seconds:.0f}"
