"""minigen's U-Net in PyTorch, attribute by attribute: a state_dict of the one loads into the other."""
import torch
from torch import nn
from torch.nn import functional as F


class ResBlock(nn.Module):
    def __init__(self, in_channels, out_channels, condition, groups):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.shift = nn.Linear(condition, out_channels) if condition else None
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else None

    def forward(self, x, c):
        h = self.conv1(F.silu(self.norm1(x)))
        if self.shift is not None:
            h = h + self.shift(c)[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (x if self.shortcut is None else self.shortcut(x))


class SelfAttention2d(nn.Module):
    def __init__(self, channels, heads, groups):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)
        self.attention = nn.MultiheadAttention(channels, heads, batch_first=True)

    def forward(self, x):
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        y, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return x + y.transpose(1, 2).reshape(x.shape)


class Downsample(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x):
        return self.conv(x)


class Upsample(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x, size):
        return self.conv(F.interpolate(x, size=size, mode="nearest"))


class Step(nn.Module):
    def __init__(self, in_channels, out_channels, condition, heads, groups):
        super().__init__()
        self.block = ResBlock(in_channels, out_channels, condition, groups)
        self.attend = SelfAttention2d(out_channels, heads, groups) if heads else None

    def forward(self, x, c):
        x = self.block(x, c)
        return x if self.attend is None else self.attend(x)


class Level(nn.Module):
    def __init__(self, steps, resample):
        super().__init__()
        self.steps, self.resample = nn.ModuleList(steps), resample


class UNet(nn.Module):
    def __init__(self, in_channels, out_channels=None, *, width=64, multipliers=(1, 2, 2), blocks=2, attention=(),
                 heads=1, groups=8, time=True, patch=1):
        super().__init__()
        self.width, self.patch = width, patch
        D = 4 * width if time else None
        self.time = nn.Sequential(nn.Linear(width, D), nn.SiLU(), nn.Linear(D, D), nn.SiLU()) if time else None
        self.stem = nn.Conv2d(in_channels * patch**2, width, 3, padding=1)
        C, kept, down, up = width, [width], [], []
        for level, multiplier in enumerate(multipliers):
            steps = []
            for _ in range(blocks):
                steps.append(Step(C, multiplier * width, D, heads if level in attention else 0, groups))
                C = multiplier * width
                kept.append(C)
            last = level == len(multipliers) - 1
            down.append(Level(steps, None if last else Downsample(C)))
            kept += [] if last else [C]
        self.middle = nn.ModuleList([Step(C, C, D, heads, groups), Step(C, C, D, 0, groups)])
        for level, multiplier in reversed(list(enumerate(multipliers))):
            steps = []
            for _ in range(blocks + 1):
                heads_here = heads if level in attention else 0
                steps.append(Step(C + kept.pop(), multiplier * width, D, heads_here, groups))
                C = multiplier * width
            up.append(Level(steps, Upsample(C) if level else None))
        self.down, self.up = nn.ModuleList(down), nn.ModuleList(up)
        last = nn.Conv2d(C, (out_channels or in_channels) * patch**2, 3, padding=1)
        self.head = nn.Sequential(nn.GroupNorm(groups, C), nn.SiLU(), last)

    def forward(self, x, t=None):
        c = None if t is None else self.time(self.code(t))
        h = self.stem(F.pixel_unshuffle(x, self.patch))
        kept = [h]
        for level in self.down:
            for step in level.steps:
                h = step(h, c)
                kept.append(h)
            if level.resample is not None:
                h = level.resample(h)
                kept.append(h)
        for step in self.middle:
            h = step(h, c)
        for level in self.up:
            for step in level.steps:
                h = step(torch.cat([h, kept.pop()], dim=1), c)
            if level.resample is not None:
                h = level.resample(h, kept[-1].shape[2:])
        return F.pixel_shuffle(self.head(h), self.patch)

    def code(self, t):
        frequencies = 10_000.0 ** (-torch.arange(self.width // 2, dtype=torch.float64) / (self.width // 2))
        angles = t[:, None].double() * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1).float()
