"""DiT, the diffusion transformer: in the place of a U-Net, an image as tokens, each a square of pixels.

    patchify      (N, C, H, W) -> (N, T, p^2 C) -> (N, T, D), T = H W / p^2, and a fixed code of row and column
    c             code of the time, and of the condition, one vector for each image
    block         x = x + gate_1 attention((1 + scale_1) norm(x) + shift_1)
                  x = x + gate_2 mlp((1 + scale_2) norm(x) + shift_2)
                  shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = W silu(c) + b              adaLN-Zero
    head          (1 + scale) norm(x) + shift, linear, and the squares put together again

What the network is told does not stand among the tokens, nor is it looked at: it sets scale and shift of every norm,
and the gate of every branch. W and b start as 0: then all gates are closed and each block is the identity; the head's
last layer is 0 too, and a new network says nothing. The paper's ablation (its figure 5): this beats cross-attention,
and gates that start open.

It is called as UNet is, so any model that takes a U-Net takes it.

Source: Peebles & Xie 2023, "Scalable diffusion models with transformers", section 3. Symbols: N batch, p patch, T
tokens, D width, t time. Read before this: transformer.py, unet.py. Read next: recipes/diffusion.py.
"""
import numpy as np

from autograd import Tensor, as_tensor, gelu, parameter, silu, split, where
from autograd.backend import asarray, xp
from autograd.resample import pixel_shuffle, pixel_unshuffle

from . import init
from .attention import MultiheadAttention, sinusoidal_code
from .init import zeroed
from .layers import LayerNorm, Linear, Sequential
from .module import Module, ModuleList

FREQUENCIES = 64  # numbers in the code of t


class DiT(Module):
    """(N, in_channels, H, W) and t (N,) -> (N, out_channels, H, W). H and W must divide by patch.

    width: of a token, divisible by 4 and by heads. condition: width of what else it is told, a vector (N, condition),
    for instance a class as one-hot; None for nothing.
    """

    def __init__(self, in_channels, out_channels=None, *, width=64, blocks=4, heads=4, patch=2, condition=None, rng):
        if width % 4 or blocks < 1:
            raise ValueError(f"DiT: width is {width}, expected a multiple of 4: sines and cosines of rows and columns; "
                             f"blocks is {blocks}, expected at least 1")
        self.in_channels, self.out_channels = in_channels, out_channels or in_channels
        self.width, self.patch = width, patch
        self.embed = Linear(in_channels * patch**2, width, rng=rng)
        self.time = Sequential(Linear(FREQUENCIES, width, rng=rng), silu, Linear(width, width, rng=rng))
        self.condition = Linear(condition, width, bias=False, rng=rng) if condition else None
        self.null_condition = parameter(init.normal((width,), std=0.02, rng=rng)) if condition else None
        self.blocks = ModuleList(DiTBlock(width, heads, rng=rng) for _ in range(blocks))
        self.norm, self.modulation = _norm(width), zeroed(Linear(width, 2 * width, rng=rng))
        self.head = zeroed(Linear(width, self.out_channels * patch**2, rng=rng))

    def forward(self, x, t, condition=None, dropped=None):
        """condition (N, its width), the null for all if left out; dropped: (N,), True where it is left out."""
        x = as_tensor(x)
        self._check(x, t, condition)
        c = silu(self._code(t, condition, dropped))  # (N, D)
        h, grid = self.tokens(x)
        h = self.embed(h) + places(*grid, self.width)  # (N, T, D)
        for block in self.blocks:
            h = block(h, c)
        shift, scale = split(self.modulation(c)[:, None], 2, axis=2)
        return self.image(self.head(modulated(self.norm(h), shift, scale)), grid)

    def tokens(self, x):
        """Squares as rows, (N, T, p^2 C), from left to right and from top to bottom; and how many (down, across)."""
        squares = pixel_unshuffle(x, self.patch) if self.patch > 1 else x  # (N, p^2 C, H/p, W/p)
        N, C, *grid = squares.shape
        return squares.reshape(N, C, -1).transpose(0, 2, 1), grid

    def image(self, h, grid):
        """The squares put together again: (N, C, H, W)."""
        squares = h.transpose(0, 2, 1).reshape(len(h), h.shape[2], *grid)
        return pixel_shuffle(squares, self.patch) if self.patch > 1 else squares

    def _code(self, t, condition, dropped):
        """What the blocks are told, (N, D)."""
        code = self.time(Tensor(sinusoidal_code(asarray(t), FREQUENCIES)))
        if self.condition is None:
            return code
        if condition is None:
            return code + self.null_condition
        dropped = xp.zeros(len(condition), bool) if dropped is None else asarray(dropped)
        return code + where(dropped[:, None], self.null_condition, self.condition(condition))

    def _check(self, x, t, condition):
        if x.ndim != 4 or x.shape[1] != self.in_channels or x.shape[2] % self.patch or x.shape[3] % self.patch:
            raise ValueError(f"DiT: input has shape {x.shape}, expected (N, {self.in_channels}, H, W), H and W "
                             f"multiples of patch={self.patch}")
        if np.shape(t) != x.shape[:1]:
            raise ValueError(f"DiT: t has shape {np.shape(t)}, expected one number per image of {x.shape}: ({len(x)},)")
        width = self.condition.weight.shape[1] if self.condition else None
        if condition is not None and condition.shape != (len(x), width):
            raise ValueError(f"DiT: condition has shape {condition.shape}, expected "
                             f"{(len(x), width) if width else 'none: build the network with condition=its width'}")

    def extra_repr(self):
        return f"{self.in_channels}, {self.out_channels}, width={self.width}, patch={self.patch}"


class DiTBlock(Module):
    """(N, T, D), told silu(c) (N, D) -> (N, T, D). Names as TransformerBlock's."""

    def __init__(self, width, heads, hidden=None, *, rng):
        hidden = hidden or 4 * width
        self.norm1, self.norm2 = _norm(width), _norm(width)
        self.self_attn = MultiheadAttention(width, heads, batch_first=True, rng=rng)
        self.linear1, self.linear2 = Linear(width, hidden, rng=rng), Linear(hidden, width, rng=rng)
        self.modulation = zeroed(Linear(width, 6 * width, rng=rng))

    def forward(self, x, c):
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = split(self.modulation(c)[:, None], 6, axis=2)  # (N, 1, D)
        h = modulated(self.norm1(x), shift_1, scale_1)
        x = x + gate_1 * self.self_attn(h, h, h, need_weights=False)[0]
        h = modulated(self.norm2(x), shift_2, scale_2)
        return x + gate_2 * self.linear2(gelu(self.linear1(h), "tanh"))  # course 12.15


def modulated(x, shift, scale):
    return (1.0 + scale) * x + shift


def places(rows, columns, width):
    """Fixed codes of all places of a grid, (rows * columns, width): half of it for the row, half for the column."""
    row, column = np.divmod(np.arange(rows * columns), columns)
    return xp.concatenate([sinusoidal_code(at, width // 2) for at in (row, column)], axis=1)


def _norm(width):
    return LayerNorm(width, eps=1e-6, elementwise_affine=False)
