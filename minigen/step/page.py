"""A step as one page of HTML that needs nothing else: modules to open and close, bars for time.

Read before this: text.py.
"""
import html

from .text import headline, number, shape_of, size, spread, times, totals

STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 76em; padding: 0 1em; color: #222 }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin: 2em 0 .3em } p { margin: .3em 0; max-width: 60em }
table { border-collapse: collapse; width: 100%; table-layout: fixed; font-variant-numeric: tabular-nums }
td, th { padding: 1px 8px; text-align: right; white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
th { font-weight: 600; color: #666; border-bottom: 1px solid #ccc; position: sticky; top: 0; background: #fff }
td:nth-child(-n+3), th:nth-child(-n+3) { text-align: left } tr:hover td { background: #f3f6fa }
details { border-top: 1px solid #e4e4e4 } summary { cursor: pointer; padding: 3px 0; display: flex; gap: 1em }
summary .name { flex: 1; font-weight: 600 } summary small { color: #777; font-weight: 400 }
.bar { position: relative; width: 16em; height: 1em; align-self: center; background: #f0f0f0 }
.bar i { position: absolute; top: 0; bottom: 0; background: #4477aa } .bar b { position: absolute; top: 0; bottom: 0;
background: #cc6677 } .ms { width: 11em; text-align: right; font-variant-numeric: tabular-nums }
.key i, .key b { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 1em; background: #4477aa }
.key b { background: #cc6677 } .two { display: flex; gap: 4em; margin: .5em 0 1em }
.hot td { background: #fdf0f2 } ol { margin: .2em 0; padding-left: 1.6em }
"""
KEY = ("<p class=key>time of <i></i>forward <b></b>backward. Times are the shortest of several passes over the same "
       "numbers; an op's time begins where the one before it ended. A prime marks an op of a gradient that is itself "
       "part of the loss. Rows in red: the slowest.</p>")
COLUMNS = (("part", "8%"), ("op", "18%"), ("line", "15%"), ("shape", "10%"), ("mean ± dev", "12%"), ("|dL/dy|", "7%"),
           ("ms", "6%"), ("back", "7%"), ("result", "8%"), ("gradient", "9%"))


def page(title, players) -> str:
    """The whole page."""
    body = "\n".join(_player(played) for played in players)
    return (f"<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n<title>{_safe(title)}</title>\n"
            f"<style>{STYLE}</style>\n<h1>{_safe(title)}</h1>\n{KEY}\n{body}\n</html>\n")


def _player(played):
    groups = played.groups()
    longest = max(sum(row.total_seconds for row in rows) for _, rows in groups)
    hot = {id(row) for row in played.slowest()}
    parts = [f"<h2>{_safe(headline(played))}</h2>\n<p>{totals(played)}</p>", "<div class=two>",
             _list("slowest, forward and backward", played.slowest(), _time),
             _list("largest: result, kept and gradient", played.largest(), _bytes), "</div>"]
    parts += [_group(module, rows, played.kinds, longest, hot) for module, rows in groups]
    return "\n".join(parts)


def _list(title, rows, measure):
    items = "".join(f"<li>{measure(row)}: {_safe(row.op + times(row))} in {_safe(row.module)}, {_safe(row.where)}</li>"
                    for row in rows)
    return f"<div><p>{title}</p><ol>{items}</ol></div>"


def _time(row):
    return f"{1e3 * row.total_seconds:.2f} ms"


def _bytes(row):
    return f"{size(row.size + row.kept + row.back_size)}B"


def _group(module, rows, kinds, longest, hot):
    ahead, back = sum(row.seconds for row in rows), sum(row.back_seconds for row in rows)
    left, wide = (100 * part / max(longest, 1e-12) for part in (ahead, back))
    is_open = " open" if any(id(row) in hot for row in rows) else ""
    head = "".join(f"<th style='width:{width}'>{name}</th>" for name, width in COLUMNS)
    body = "".join(_row(row, id(row) in hot) for row in rows)
    what = f"{_safe(kinds.get(module, 'the model itself'))}, {sum(row.count for row in rows)} ops"
    return (f"<details{is_open}><summary><span class=name>{_safe(module)} <small>{what}</small></span>"
            f"<span class=bar><i style='left:0;width:{left:.1f}%'></i>"
            f"<b style='left:{left:.1f}%;width:{wide:.1f}%'></b></span><span class=ms>{1e3 * ahead:.2f} + "
            f"{1e3 * back:.2f} ms</span></summary><table><tr>{head}</tr>{body}</table></details>")


def _row(row, hot):
    gradient = "" if row.gradient is None else number(row.gradient)
    cells = [row.part, row.op + times(row), row.where, shape_of(row), spread(row), gradient, f"{1e3 * row.seconds:.3f}",
             f"{1e3 * row.back_seconds:.3f}" if row.back_seconds else "", f"{size(row.size)}B" if row.size else "view",
             f"{size(row.back_size)}B" if row.back_size else ""]
    return f"<tr{' class=hot' if hot else ''}>" + "".join(f"<td>{_safe(cell)}</td>" for cell in cells) + "</tr>"


def _safe(what):
    return html.escape(str(what))
