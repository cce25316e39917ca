"""Pictures: a grid of images, points in the plane, molecules, the curves of a run. Each function writes one PNG,
atomically.

Figures are made as objects (`matplotlib.figure.Figure`): unlike pyplot they leave no global state behind and
need no display. Glossary: N images, C channels (1 gray, 3 RGB), H W height and width.
"""
import importlib
import io
import math
import os
import textwrap

import numpy as np

from autograd.backend import to_numpy

from .checkpoint import write

TRAIN, VALID, GREY = "#2a6fb0", "#e07b28", "#9a9a9a"  # told apart also by those who do not see red and green
ROUNDING = 1e-3  # that values may lie outside of [0, 1] by
LEAF, OP = "#fdeedd", "#e3eefa"
ATOMS = {"N": "#2a4fd0", "O": "#cc2222", "F": "#1f8a3b"}  # as chemists colour them


def grid(images, path, columns=None) -> None:
    """Draws images (N, C, H, W), values in [0, 1], row by row. columns: as many as rows, if left out."""
    png = io.BytesIO()
    importlib.import_module("PIL.Image").fromarray(sheet(images, columns)).save(png, format="PNG")
    write(path, png.getvalue())


def sheets(titled: dict, path) -> None:
    """Draws grids of images side by side, of one height, each under its title.

    titled: title -> images (N, C, H, W) in [0, 1], or (images, columns).
    """
    pairs = [item if isinstance(item, tuple) else (item, None) for item in titled.values()]
    drawn = [sheet(images, columns) for images, columns in pairs]
    wide = [4.0 * picture.shape[1] / picture.shape[0] for picture in drawn]  # inches, at a height of 4
    figure = new_figure(sum(wide) + 0.25 * len(wide), 4.4)
    panels = figure.subplots(1, len(drawn), width_ratios=wide, squeeze=False)[0]
    for axes, title, picture in zip(panels, titled, drawn):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(title, fontsize=11)
        axes.set_axis_off()
    save_figure(figure, path)


def captioned(images, texts, path) -> None:
    """Draws images (N, C, H, W), values in [0, 1], in as many rows as there are texts, each beside its row."""
    if not texts or len(images) % len(texts):
        raise ValueError(f"captioned: {len(images)} images and {len(texts)} texts; give as many images to each text")
    picture = sheet(images, len(images) // len(texts))
    high, wide = picture.shape[:2]
    inches = min(0.9, 9.0 / len(texts))  # of a row
    figure = new_figure(inches * len(texts) * wide / high + 0.07 * max(map(len, texts)), inches * len(texts) + 0.1)
    axes = figure.add_subplot()
    axes.imshow(picture, interpolation="nearest")
    axes.set_yticks((np.arange(len(texts)) + 0.5) * high / len(texts), texts, fontsize=9)
    axes.tick_params(length=0, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    save_figure(figure, path)


def judged(rows: dict, texts, path) -> None:
    """Draws a table of images: under each text a column, in each row who drew it, under each image a verdict, green
    where it is good. rows: name -> [(image (C, H, W), values in [0, 1], verdict, whether it is good), ...], one for
    each text."""
    if not texts or any(len(cells) != len(texts) for cells in rows.values()):
        raise ValueError(f"judged: {len(texts)} texts, and rows of {[len(cells) for cells in rows.values()]} images; "
                         "give one to each text")
    figure = new_figure(1.55 * len(texts) + 1.2, 1.9 * len(rows) + 0.5)
    grid = figure.subplots(len(rows), len(texts), squeeze=False)
    for row, (axes, (name, cells)) in enumerate(zip(grid, rows.items())):
        for place, text, (image, verdict, good) in zip(axes, texts, cells):
            place.imshow(sheet(np.asarray(image)[None]), interpolation="nearest")
            place.set(xticks=[], yticks=[])
            place.spines[:].set_visible(False)
            colour = "#1b7f3b" if good else "#b3261e"
            place.set_xlabel("\n".join(textwrap.wrap(verdict, 24)), fontsize=6.5, color=colour)
            if row == 0:
                place.set_title("\n".join(textwrap.wrap(text, 20)), fontsize=8)
        axes[0].set_ylabel(name, fontsize=9)
    save_figure(figure, path)


def gif(frames, path, columns=None, seconds=5.0) -> None:
    """Writes a GIF that shows grids of images one after the other, in so many seconds, and the last one longer.

    frames: a sequence of images (N, C, H, W), values in [0, 1].
    """
    film([sheet(images, columns) for images in frames], path, seconds)


def film(pictures, path, seconds=5.0, colours=256) -> None:
    """Writes a GIF that shows pictures, uint8 (H, W, 3) of one size, as `gif` does. colours: of each, at most."""
    image = importlib.import_module("PIL.Image")
    pictures = [image.fromarray(picture).quantize(colours, dither=0) for picture in pictures]
    if not pictures:
        raise ValueError("gif: frames is empty; there is nothing to show")
    durations = [max(20, round(1000 * seconds / len(pictures)))] * len(pictures)  # milliseconds; less is not played
    durations[-1] = 2000
    contents = io.BytesIO()
    pictures[0].save(contents, format="GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    write(path, contents.getvalue())


def sheet(images, columns=None, about=640):
    """Images (N, C, H, W), values in [0, 1], row by row in one picture, uint8 (high, wide, 3), with white gaps between,
    about so many pixels wide.

    ValueError for what is no such image: it would be all white, or all black, and look like a failed model.
    """
    images = to_numpy(images)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise ValueError(f"grid: images has shape {images.shape}, expected (N, 1 or 3, H, W) with N >= 1")
    if images.dtype.kind not in "fb":
        raise ValueError(f"grid: images have dtype {images.dtype}, expected real numbers in [0, 1]; Space.drawn scales "
                         "what is in the data's own units")
    low, high = float(images.min()), float(images.max())
    if not (-ROUNDING <= low and high <= 1 + ROUNDING):  # nor NaN
        raise ValueError(f"grid: images hold values from {low:.3g} to {high:.3g}, expected [0, 1]; "
                         "Space.from_signed scales what is in [-1, 1], and cuts off what lies outside")
    N, _C, H, W = images.shape
    columns = columns or math.ceil(math.sqrt(N))
    rows = math.ceil(N / columns)
    zoom = max(1, round(about / (columns * W)))  # whole numbers keep the pixels square
    gap = max(2, zoom * W // 16)

    high, wide = zoom * H + gap, zoom * W + gap
    picture = np.full((rows * high + gap, columns * wide + gap, 3), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = gap + (i // columns) * high, gap + (i % columns) * wide
        gray = np.uint8(255 * np.clip(image, 0, 1) + 0.5)
        pixels = gray.transpose(1, 2, 0).repeat(zoom, axis=0).repeat(zoom, axis=1)
        picture[top:top + zoom * H, left:left + zoom * W] = pixels  # (zoom H, zoom W, 1 or 3)
    return picture


def graph(y, path, texts=None) -> None:
    """Draws the graph that a Tensor y was recorded in: leaves on the left, y on the right, an arrow per edge.

    texts: Tensor -> what stands in its box, below the op's name. Constants are not part of the graph, and
    taking the gradient frees it, but for create_graph=True.
    """
    texts = {tensor.node: text for tensor, text in (texts or {}).items()}
    nodes, depth = _ancestors(y.node), {}
    for node in nodes:  # parents come before their children
        depth[node] = 1 + max((depth[parent] for parent, _ in node.edges), default=-1)
    columns = [[node for node in nodes if depth[node] == d] for d in range(depth[y.node] + 1)]
    tallest = max(len(column) for column in columns)
    figure = new_figure(2.1 * len(columns), 1.2 * tallest)
    axes = figure.add_subplot()
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(-tallest / 2, tallest / 2))
    axes.set_axis_off()

    boxes = {}
    for d, column in enumerate(columns):
        if d:  # each node about as high as what it is made of
            column.sort(key=lambda node: -np.mean([boxes[parent].xy[1] for parent, _ in node.edges]))
        for i, node in enumerate(column):
            op = node.edges[0][1].__qualname__.split(".")[0].lstrip("_") if node.edges else None
            text = "\n".join(filter(None, [op, texts.get(node)]))
            boxes[node] = axes.annotate(
                text, (d, (len(column) - 1) / 2 - i), ha="center", va="center",
                bbox={"boxstyle": "round,pad=0.5", "facecolor": OP if op else LEAF, "edgecolor": GREY})
    for node in nodes:
        for parent, _ in node.edges:
            axes.annotate("", boxes[node].xy, boxes[parent].xy, arrowprops={
                "arrowstyle": "-|>", "color": GREY, "patchA": boxes[parent].get_bbox_patch(),
                "patchB": boxes[node].get_bbox_patch()})
    save_figure(figure, path)


def _ancestors(node) -> list:
    """The nodes that lead to this one, and itself, in ascending order of number."""
    seen, stack = {node}, [node]
    while stack:
        for parent, _ in stack.pop().edges:
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=lambda node: node.number)


def scatter(points, path, labels=None, data=None, names=("x1", "x2")) -> None:
    """Draws points (N, 2), coloured by their labels (N,) if given, over `data` (M, 2) in grey if given."""
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"scatter: points has shape {points.shape}, expected (N, 2)")
    figure = new_figure(6, 6)
    axes = _axes(figure, 1, 1, 1)
    size = np.clip(8000 / len(points), 2, 30)
    if data is not None:
        axes.scatter(*np.asarray(data).T, s=size, color=GREY, alpha=0.5, linewidths=0, label="data")
    if labels is None:
        axes.scatter(*points.T, s=size, color=TRAIN, alpha=0.7, linewidths=0, label="samples")
    else:
        for i, label in enumerate(np.unique(labels)):
            chosen = points[np.asarray(labels) == label]
            axes.scatter(*chosen.T, s=size, color=f"C{i}", alpha=0.8, linewidths=0, label=str(label))
    axes.set(xlabel=names[0], ylabel=names[1], aspect="equal")
    if data is not None or labels is not None:
        marks = axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=2)
        for mark in marks.legend_handles:
            mark.set_alpha(1)
    save_figure(figure, path)


def molecules(structures, path, columns=6) -> None:
    """Draws structures, row by row, each under its title: a list of (title, places of the atoms (A, 2), their names,
    bonds {(a, b): 1, 2 or 3}). Carbon, C, is a corner without a letter, as chemists draw it. One without atoms is
    an x."""
    if not structures:
        raise ValueError("molecules: structures is empty; there is nothing to show")
    columns = min(columns, len(structures))
    rows = math.ceil(len(structures) / columns)
    figure = new_figure(1.9 * columns, 1.9 * rows)
    for i in range(rows * columns):
        axes = figure.add_subplot(rows, columns, i + 1)
        axes.set_axis_off()
        if i < len(structures):
            molecule(axes, *structures[i])
    save_figure(figure, path)


def molecule(axes, title, places, names, bonds) -> None:
    """Draws one structure, as `molecules` does, into the axes of a figure."""
    axes.set_axis_off()
    axes.set_title(title, fontsize=6.5, family="monospace", color="black" if len(places) else ATOMS["O"])
    if not len(places):
        axes.text(0.5, 0.5, "x", ha="center", va="center", fontsize=16, color=GREY)
        return
    middle, reach = (places.max(axis=0) + places.min(axis=0)) / 2, max(2.2, np.ptp(places, axis=0).max() / 2 + 0.5)
    axes.set(xlim=middle[0] + np.array([-reach, reach]), ylim=middle[1] + np.array([-reach, reach]), aspect="equal")
    for (a, b), order in bonds.items():
        along = places[b] - places[a]
        across = np.array([-along[1], along[0]]) / max(np.linalg.norm(along), 1e-9)
        for shift in (np.arange(order) - (order - 1) / 2) * 0.22:
            axes.plot(*(places[[a, b]] + shift * across).T, color="black", lw=1.1, solid_capstyle="round")
    for place, name in zip(places, names):
        if name != "C" or len(places) == 1:
            axes.text(*place, name, ha="center", va="center", fontsize=9, color=ATOMS.get(name[0], "black"),
                      bbox={"boxstyle": "circle,pad=0.12", "facecolor": "white", "edgecolor": "none"})


def curves(series: dict, path) -> None:
    """Draws loss terms over steps, one panel each.

    series: "train/term" or "valid/term" -> (steps, values), as `History.curves()` gives them.
    """
    terms = list(dict.fromkeys(name.split("/", 1)[1] for name in series))
    if not terms:
        raise ValueError("curves: series is empty; there is nothing to draw before the first step")
    columns = 2 if len(terms) == 4 else min(3, len(terms))
    rows = math.ceil(len(terms) / columns)
    figure = new_figure(4.4 * columns + 0.4, 3.3 * rows)
    for i, term in enumerate(terms):
        axes = _axes(figure, rows, columns, i + 1)
        axes.set_title(term, fontsize=11)
        axes.set_xlabel("step")
        axes.xaxis.get_major_locator().set_params(integer=True)
        shown = {split: series[name] for split in ("train", "valid") if (name := f"{split}/{term}") in series}
        for split, (steps, values) in shown.items():
            colour = TRAIN if split == "train" else VALID
            if len(values) >= 100:  # the raw values faintly, their running mean over them
                axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
                values = _running_mean(values, len(values) // 40)
            axes.plot(steps, values, color=colour, linewidth=1.8, label=split,
                      marker="o" if len(values) == 1 else None)
        _fit_vertically(axes, shown.values())
        if len(shown) > 1:
            axes.legend(frameon=False)
    save_figure(figure, path)


def _fit_vertically(axes, curves) -> None:
    """A log axis for what falls tenfold; else an axis without the first steps if they tower over the rest."""
    finite = [(steps, values) for steps, values in curves if np.isfinite(values).all()]
    if not finite:
        return
    values = np.concatenate([values for _, values in finite])
    late = np.concatenate([values[len(values) // 5:] for _, values in finite])  # without the first fifth
    end = np.median(np.concatenate([values[-1 - len(values) // 10:] for _, values in finite]))
    if values.min() > 0 and np.quantile(values, 0.99) > 10 * end:
        axes.set_yscale("log")
    elif np.ptp(values) > 4 * np.ptp(late) > 0 and values.max() > late.max():
        margin = 0.1 * np.ptp(late)
        axes.set_ylim(values.min() - margin, late.max() + 3 * margin)


def _running_mean(values, width):
    """The mean over `width` values around each; over as many as there are at the ends."""
    box = np.ones(2 * (width // 2) + 1)
    return np.convolve(values, box, "same") / np.convolve(np.ones(len(values)), box, "same")


def _matplotlib(part):
    """A module of matplotlib, loaded on the first picture: it takes longer than all of minigen together. Without the
    user's choice of a backend for windows, which may not be there: none is opened here."""
    chosen = os.environ.pop("MPLBACKEND", None)
    try:
        return importlib.import_module(f"matplotlib.{part}")
    finally:
        if chosen is not None:
            os.environ["MPLBACKEND"] = chosen


def new_figure(width, height):
    """An empty figure of this size in inches."""
    return _matplotlib("figure").Figure(figsize=(width, height), dpi=120, layout="constrained")


def _axes(figure, rows, columns, index):
    axes = figure.add_subplot(rows, columns, index)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    return axes


def pixels_of(figure):
    """A figure as a picture, uint8 (H, W, 3): for films."""
    canvas = _matplotlib("backends.backend_agg").FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save_figure(figure, path) -> None:
    """Writes a figure of matplotlib as a PNG."""
    png = io.BytesIO()
    figure.savefig(png, format="png", bbox_inches="tight")
    write(path, png.getvalue())
