"""minigen's models in PyTorch, as its users would write them: the other side of model_rows.py.

A twin is made from its batch; attributes are named as in minigen's model, so that its weights load by name. players()
lists (name, parameters, loss); a loss takes the source of its random numbers, Draws or Replay.
"""
import math

import numpy as np
import torch
import torch_unet
from torch import nn
from torch.nn import functional as F


class Draws:
    """Random numbers by PyTorch's own generator."""

    normal = staticmethod(torch.randn)
    integers = staticmethod(lambda low, high, n: torch.randint(low, high, (n,)))
    cell = staticmethod(torch.rand)


class Replay:
    """The random numbers that minigen's model draws from this generator."""

    def __init__(self, rng):
        self.rng = rng

    def normal(self, *shape):
        return torch.tensor(self.rng.standard_normal(shape, dtype=np.float32))

    def integers(self, low, high, n):
        return torch.tensor(self.rng.integers(low, high, size=n))

    def cell(self, *shape):
        u = self.rng.integers(2**14, size=shape, dtype=np.uint16) + np.float32(0.5)
        return torch.tensor(u / np.float32(2**14))


class Twin(nn.Module):
    def load_arrays(self, arrays):
        mine = self.state_dict()
        self.load_state_dict({k: torch.tensor(arrays[k]) if k in arrays else v for k, v in mine.items()})


class VAE(Twin):
    def __init__(self, x):
        super().__init__()
        self.x = x.reshape(len(x), -1).float()
        self.encoder, self.decoder = self.mlp(784, 80), self.mlp(40, 784)

    @staticmethod
    def mlp(inputs, outputs):
        return nn.Sequential(nn.Linear(inputs, 500), nn.ReLU(), nn.Linear(500, 500), nn.ReLU(),
                             nn.Linear(500, outputs))

    def players(self):
        return [("vae", list(self.parameters()), self.loss)]

    def loss(self, draws):
        if isinstance(draws, Replay):  # the draw that binarizes pixels that are binary already
            draws.rng.random(self.x.shape, dtype=np.float32)
        mu, logvar = self.encoder(self.x).chunk(2, dim=1)
        logits = self.decoder(mu + (0.5 * logvar).exp() * draws.normal(*mu.shape))
        reconstruction = F.binary_cross_entropy_with_logits(logits, self.x, reduction="sum") / len(self.x)
        return reconstruction + 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum() / len(self.x)


class Generator(nn.Module):
    def __init__(self, latent, width):
        super().__init__()
        self.first = (4 * width, 4, 4)
        self.project = nn.Linear(latent, math.prod(self.first), bias=False)
        self.net = nn.Sequential(
            nn.BatchNorm2d(4 * width), nn.ReLU(), nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(2 * width), nn.ReLU(), nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width), nn.ReLU(), nn.ConvTranspose2d(width, 1, 4, 2, 1), nn.Tanh())

    def forward(self, z):
        return self.net(self.project(z).reshape(-1, *self.first))


class Discriminator(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, width, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 3, 2, 1, bias=False), nn.BatchNorm2d(4 * width), nn.LeakyReLU(0.2))
        self.logit = nn.Linear(4 * width * 16, 1)

    def forward(self, x):
        return self.logit(self.net(x).flatten(1))[:, 0]


class DCGAN(Twin):
    def __init__(self, x, latent=64, width=32):
        super().__init__()
        self.x, self.latent = x / 127.5 - 1, latent
        self.generator, self.discriminator = Generator(latent, width), Discriminator(width)

    def players(self):
        return [("D", list(self.discriminator.parameters()), self.discriminator_loss),
                ("G", list(self.generator.parameters()), self.generator_loss)]

    def discriminator_loss(self, draws):
        with torch.no_grad():
            fake = self.generator(draws.normal(len(self.x), self.latent))
        return F.softplus(-self.discriminator(self.x)).mean() + F.softplus(self.discriminator(fake)).mean()

    def generator_loss(self, draws):
        return F.softplus(-self.discriminator(self.generator(draws.normal(len(self.x), self.latent)))).mean()


class MaskedStack(Twin):
    def __init__(self, x):
        super().__init__()
        self.x = x.float()
        channels = [1, *[32] * 14, 1]
        self.convs = nn.ModuleList(nn.Conv2d(C, O, 3, padding=1) for C, O in zip(channels, channels[1:]))
        self.masks = [(torch.arange(9) < 4 + (i > 0)).float().reshape(3, 3) for i in range(15)]

    def players(self):
        return [("pixels", list(self.parameters()), self.loss)]

    def loss(self, draws):
        h = self.x
        for i, (conv, mask) in enumerate(zip(self.convs, self.masks)):
            h = F.conv2d(h if i == 0 else h.relu(), conv.weight * mask, conv.bias, padding=1)
        return F.binary_cross_entropy_with_logits(h, self.x)


class ResNet(nn.Module):
    def __init__(self, C, O, width=32):
        super().__init__()
        self.first = nn.Conv2d(C, width, 3, padding=1)
        self.blocks = nn.ModuleList([nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 3, padding=1),
                                                   nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))])
        self.last = nn.Conv2d(width, O, 1)

    def forward(self, x):
        h = self.first(x)
        for block in self.blocks:
            h = h + block(h)
        return self.last(h.relu())


class Coupling(nn.Module):
    def __init__(self, C, mask):
        super().__init__()
        self.register_buffer("mask", mask)
        self.net, self.alpha = ResNet(C, 2 * C), nn.Parameter(torch.ones(()))

    def forward(self, x):
        raw, t = self.net(self.mask * x).chunk(2, dim=1)
        s = (1 - self.mask) * (self.alpha * raw.tanh())
        return x * s.exp() + (1 - self.mask) * t, s.sum(dim=(1, 2, 3))


class ActNorm(nn.Module):
    def __init__(self, C):
        super().__init__()
        self.s, self.b = nn.Parameter(torch.zeros(C)), nn.Parameter(torch.zeros(C))

    def forward(self, x):
        y = x * self.s.exp()[:, None, None] + self.b[:, None, None]
        return y, (self.s.sum() * x[0, 0].numel()).expand(len(x))


class Logit(nn.Module):
    def __init__(self, alpha):
        super().__init__()
        self.alpha = alpha

    def forward(self, v):
        p = self.alpha + (1 - 2 * self.alpha) * v
        y = p.log() - (1 - p).log()
        return y, (F.softplus(y) + F.softplus(-y) + math.log(1 - 2 * self.alpha)).sum(dim=(1, 2, 3))


class Squeeze(nn.Module):
    def forward(self, x):
        return F.pixel_unshuffle(x, 2), 0.0


class MultiScale(nn.Module):
    def __init__(self, levels):
        super().__init__()
        self.levels = nn.ModuleList(levels)

    def forward(self, x):
        gone, logdet = [], 0.0
        for i, level in enumerate(self.levels):
            for layer in level:
                x, change = layer(x)
                logdet = logdet + change
            if i + 1 < len(self.levels):
                z, x = x.chunk(2, dim=1)
                gone.append(z)
        return torch.cat([z.flatten(1) for z in (*gone, x)], dim=1), logdet


class RealNVP(Twin):
    def __init__(self, x, levels=17):
        super().__init__()
        self.x, self.gray = x.float(), levels
        board = lambda side, first: ((torch.arange(side)[:, None] + torch.arange(side) + first) % 2).float()[None]
        half = lambda C, first: torch.tensor([first, 1 - first]).repeat_interleave(C // 2).float()[:, None, None]
        pairs = lambda C, masks: [layer for mask in masks for layer in (Coupling(C, mask), ActNorm(C))]
        fine = [Logit(1 / (6 * levels)), *pairs(1, [board(8, i % 2) for i in range(3)]), Squeeze(),
                *pairs(4, [half(4, i % 2) for i in range(3)])]
        coarse = pairs(2, [board(4, i % 2) for i in range(4)])
        self.flow = MultiScale([nn.ModuleList(fine), nn.ModuleList(coarse)])

    def players(self):
        return [("flow", list(self.parameters()), self.loss)]

    def loss(self, draws):
        z, logdet = self.flow((self.x + draws.cell(*self.x.shape)) / self.gray)
        log_p = -0.5 * (z**2 + math.log(2 * math.pi)).sum(dim=1) + logdet
        return (self.x[0].numel() * math.log(self.gray) - log_p).mean()


class DDPM(Twin):
    def __init__(self, x, unet):
        super().__init__()
        self.x = x / 127.5 - 1
        self.network = torch_unet.UNet(1, **unet)
        self.alpha_bar = (1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)).cumprod(0).float()

    def players(self):
        return [("ddpm", list(self.network.parameters()), self.loss)]

    def loss(self, draws):
        t = draws.integers(1, 1001, len(self.x))
        eps = draws.normal(*self.x.shape)
        alpha_bar = self.alpha_bar[t - 1][:, None, None, None]
        x_t = alpha_bar.sqrt() * self.x + (1 - alpha_bar).sqrt() * eps
        return F.mse_loss(self.network(x_t, t), eps)

    @torch.no_grad()
    def ddim(self, x, steps):
        """x_T -> x_0 in so many steps, eta = 0."""
        alpha_bar = torch.cat([torch.ones(1), self.alpha_bar]).tolist()
        times = [0, *torch.linspace(1, 1000, steps, dtype=torch.float64).round().int().tolist()]
        for t, s in zip(times[:0:-1], times[-2::-1]):
            a, b = alpha_bar[t], alpha_bar[s]
            eps = self.network(x, torch.full((len(x),), t))
            x_0 = ((x - math.sqrt(1 - a) * eps) / math.sqrt(a)).clamp(-1, 1)
            x = math.sqrt(b) * x_0 + math.sqrt(1 - b) * (x - math.sqrt(a) * x_0) / math.sqrt(1 - a)
        return x
