"""Reading a face: which parts and colours is it composed of? Analysis by synthesis, with no network to be fooled.

    read(x) = argmin over attributes of |x - compose(attributes)|^2                        the nearest composition

There are 10^14 compositions, but they can be searched a part at a time. All other parts are held; those below draw B,
those above take what they cover, y, to T y + K. Then the face is linear in the colour c of the part's variant v,

    x_hat = U_v + W_v c,    U_v = T (t_v B + k_v) + K,    W_v = T a_v

and the squared error of each variant in each colour comes from three sums over pixels:

    |x - x_hat|^2 = |R|^2 - 2 c . (W_v R) + |W_v|^2 |c|^2,    R = x - U_v

The best of them is taken, and the next part has its turn, until nothing changes. That may be a place where two parts
would have to change at once, glasses and the eyes behind them: a search that ends far from the face begins anew,
with other eyes. (Hair and beard have one colour: then B and K depend on c too, which adds to W_v.)

A drawn face is read like a real one. How far it is from its nearest composition says how much of a face it is; and it
shows what was asked for if a composition that has it is as near as the nearest: hair under a hat has any colour.

Symbols: n faces, v variants, c colours; t a k a layer, as in faces.py. Read before this: faces.py.
Read next: judges.py.
"""
import numpy as np

from .faces import COLOURS, PARTS, SIZE, compose, counts, draw_attributes, edited, layers

COLOUR_OF = {part: colour for colour, painted in COLOURS.items() for part in painted}
ORDER = ("head", "clothes", "hair", "hat", "glasses", "eyes", "beard", "mouth", "accessories")  # of the search
STARTS, SWEEPS = 12, 8  # of a search, and in it over all parts, at most
ENOUGH = 0.6  # root mean square, of 255: it is found; what is rounded to integers is 0.2 away
CHUNK = 100  # faces that are read at a time


def read(x, starts=STARTS):
    """(attributes, as in faces.py; root mean square of x - their composition, (n,), of 255) of faces x
    (n, 3, 16, 16) on [0, 255]. starts: how often the search begins, at most. ValueError for another shape."""
    x = np.float32(x)
    if x.shape[1:] != (3, SIZE, SIZE):
        raise ValueError(f"read: faces have shape {x.shape}, expected (n, 3, {SIZE}, {SIZE})")
    rng = np.random.default_rng(0)
    found, error = {name: np.zeros(len(x), np.int64) for name in counts()}, np.full(len(x), np.inf)
    for start in range(starts):
        left = np.flatnonzero(error > ENOUGH)
        for rows in (left[i : i + CHUNK] for i in range(0, len(left), CHUNK)):
            begin = draw_attributes(len(rows), rng)
            begin["eyes"][:] = 1 + start % 12  # each in turn: the glasses are sought first, over these
            if start == 0:  # with nothing that not every face has
                begin = edited(begin, **{part: 0 for part, share in PARTS.items() if share < 1})
            attributes, distance = _descend(x[rows].transpose(0, 2, 3, 1), begin)
            better = distance < error[rows]
            error[rows[better]] = distance[better]
            for name, values in attributes.items():
                found[name][rows[better]] = values[better]
    return found, error


def shows(x, found, name, values):
    """Whether faces x (n, 3, 16, 16) on [0, 255], of which read has found these attributes, show values (n,) of the
    attribute of this name: with them the composition is as near."""
    distance = lambda attributes: ((np.float32(x) - compose(attributes)) ** 2).sum(axis=(1, 2, 3))
    return distance(found | {name: np.asarray(values)}) <= distance(found)


def _descend(x, attributes):
    """(attributes, root mean square) from where no part can be changed for the better. x: (n, 16, 16, 3)."""
    before = np.inf
    for _ in range(SWEEPS):
        for part in ORDER:
            errors = _errors(x, attributes, part)  # (n, v, c)
            if PARTS[part] == 1:
                errors[:, 0] = np.inf
            flat = errors.reshape(len(x), -1)
            best = flat.argmin(axis=1)
            variant, colour = np.unravel_index(best, errors.shape[1:])
            attributes = attributes | {part: variant, f"{COLOUR_OF[part]} colour": colour}
            error = flat[np.arange(len(x)), best]
        if np.all(error >= before - 1e-3):
            break
        before = error
    return attributes, np.sqrt(error.clip(0) / x[0].size)


def _errors(x, attributes, part):
    """The squared error of each variant of the part in each colour, all else as it is: (n, v, c)."""
    parts, colours = layers()
    slot = COLOUR_OF[part]
    B, B_c = np.full((1, SIZE, SIZE, 3), 255, np.float32), np.zeros((1, SIZE, SIZE, 1), np.float32)  # B + B_c c
    T, K, K_c = 1 + B_c, 0 * B, B_c  # T y + K + K_c c
    below = True
    for name, layer in parts.items():
        if name == part:
            below = False
            continue
        t, a, k = (array[attributes[name]] for array in layer)  # (n, 16, 16, 1 or 3)
        a_c = a if COLOUR_OF[name] == slot else 0 * a
        k = k + (a - a_c) * colours[COLOUR_OF[name]][attributes[f"{COLOUR_OF[name]} colour"]][:, None, None]
        if below:
            B, B_c = t * B + k, t * B_c + a_c
        else:
            T, K, K_c = t * T, t * K + k, t * K_c + a_c
    B, B_c, T, K, K_c, x = (array[:, None] for array in (B, B_c, T, K, K_c, x))
    t, a, k = parts[part]  # (v, 16, 16, 1 or 3)
    R = x - T * (t * B + k) - K
    n, v = R.shape[:2]
    W = np.broadcast_to(T * (t * B_c + a) + K_c, (n, v, SIZE, SIZE, 1)).reshape(n, v, -1)
    R, c = R.reshape(n, v, -1, 3), colours[slot]  # (n, v, S, 3), (c, 3)
    R_R, W_R, W_W = np.einsum("nvsd,nvsd->nv", R, R), (W[:, :, None] @ R)[:, :, 0], np.einsum("nvs,nvs->nv", W, W)
    return R_R[..., None] - 2 * W_R @ c.T + W_W[..., None] * (c * c).sum(axis=1)
