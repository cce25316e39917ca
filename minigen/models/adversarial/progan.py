"""Progressive GAN: both networks begin at 4 x 4 pixels, and grow a resolution at a time.

Karras, Aila, Laine & Lehtinen, "Progressive Growing of GANs for Improved Quality, Stability, and Variation", ICLR 2018
(arXiv:1710.10196), section 2 and figure 2.

    4 x 4 -> fade to 8 x 8 -> 8 x 8 -> fade to 16 x 16 -> 16 x 16 -> ...        a stage of training each

What an image is about is settled on a few pixels, where it is easy to learn, before the details are asked for. A new
block is faded in, so that it does not shock the others: alpha runs from 0 to 1 while it is,

    G(z) = (1 - alpha) up(to_rgb_old(h)) + alpha to_rgb_new(block(up(h)))
    D(x) = ...((1 - alpha) from_rgb_old(down(x)) + alpha down(block(from_rgb_new(x))))
    real images: (1 - alpha) up(down(x)) + alpha x

so at alpha = 0 the grown networks are the old ones, and at 1 the new. The third line belongs to it: a generator that is
half blurred must not be told from sharp images by that. up repeats pixels, down averages four.

The game is that of wgan_gp.py, and 0.001 E[D(x)^2], as nothing else says where D's zero is (appendix A.1); one step of
D for each of G. Layers scale their weights at run time, G normalizes each pixel, and D sees how much the images of a
group differ (adversarial/equalized.py). z lies on a sphere.

Symbols: N images, Z latent, w width, B blocks, h features, alpha how much of the newest block counts. Read before this:
wgan_gp.py, adversarial/equalized.py. Read next: stylegan.py.
Course: 7.9.
"""
from functools import partial

from autograd import as_tensor, flatten, leaky_relu, no_grad
from autograd.backend import asarray, default_dtype, uniform
from autograd.resample import avg_pool2d, interpolate

from ...adversarial.equalized import EqualizedConv2d, EqualizedLinear, minibatch_deviation, pixel_norm
from ...adversarial.implicit import CHUNK, Implicit
from ...adversarial.penalties import gradient_penalty
from ...nn import Module, ModuleList
from ...nn.chunks import in_chunks
from ...player import Player

FIRST = 4  # pixels
act = partial(leaky_relu, negative_slope=0.2)
up = partial(interpolate, scale_factor=2, mode="nearest")
down = partial(avg_pool2d, kernel_size=2)


def channels(width, number):
    """Of the features of block 0, 1, ...: half as many at each resolution from the third on."""
    return max(8, width >> max(0, number - 1))


class Growing(Module):
    """What the two networks share: `shape` (C, H, W) of the finished images, blocks, and alpha. width: channels at the
    first two resolutions."""

    def __init__(self, shape, width, *, rng):
        _, H, W = shape
        if H != W or H < 2 * FIRST or H & (H - 1):
            raise ValueError(f"{type(self).__name__}: shape is {tuple(shape)}, expected square images whose side is a "
                             f"power of 2, {2 * FIRST} at least")
        self.shape, self.width, self.rng = tuple(shape), width, rng
        self.blocks, self.colours, self.alpha = ModuleList(), ModuleList(), 1.0
        self.grow()

    @property
    def side(self) -> int:
        """Pixels of the images at the present size."""
        return FIRST << (len(self.blocks) - 1)

    def grow(self):
        """Adds the block of the next resolution."""
        number = len(self.blocks)
        if FIRST << number > self.shape[1]:
            raise ValueError(f"{type(self).__name__}: {self.shape[1]} pixels are reached, there is nothing to grow to")
        coarse, fine = channels(self.width, max(0, number - 1)), channels(self.width, number)
        self.blocks.append(self.block(coarse, fine, first=number == 0))
        self.colours.append(self.colour(fine))


class ProGenerator(Growing):
    """z (N, Z) -> images (N, C, side, side). latent: Z."""

    def __init__(self, latent, shape, width=64, *, rng):
        self.latent = latent
        super().__init__(shape, width, rng=rng)

    def block(self, coarse, fine, first):
        if first:
            return ModuleList([EqualizedLinear(self.latent, fine * FIRST**2, rng=self.rng),
                               EqualizedConv2d(fine, fine, 3, rng=self.rng)])
        return ModuleList([EqualizedConv2d(coarse, fine, 3, rng=self.rng),
                           EqualizedConv2d(fine, fine, 3, rng=self.rng)])

    def colour(self, fine):
        return EqualizedConv2d(fine, self.shape[0], 1, gain=1.0, rng=self.rng)  # to_rgb

    def forward(self, z):
        linear, conv = self.blocks[0]
        h = linear(pixel_norm(as_tensor(z))).reshape(len(z), channels(self.width, 0), FIRST, FIRST)
        h = pixel_norm(act(conv(pixel_norm(act(h)))))
        coarse = h
        for conv1, conv2 in self.blocks[1:]:
            coarse = h
            h = pixel_norm(act(conv1(up(h))))
            h = pixel_norm(act(conv2(h)))
        x = self.colours[-1](h)
        if self.alpha == 1.0 or len(self.blocks) == 1:
            return x
        return (1.0 - self.alpha) * up(self.colours[-2](coarse)) + self.alpha * x  # course 7.9


class ProDiscriminator(Growing):
    """Images (N, C, side, side) -> a number each (N,)."""

    def block(self, coarse, fine, first):
        if first:
            return ModuleList([EqualizedConv2d(fine + 1, fine, 3, rng=self.rng),
                               EqualizedLinear(fine * FIRST**2, fine, rng=self.rng),
                               EqualizedLinear(fine, 1, gain=1.0, rng=self.rng)])
        return ModuleList([EqualizedConv2d(fine, fine, 3, rng=self.rng),
                           EqualizedConv2d(fine, coarse, 3, rng=self.rng)])

    def colour(self, fine):
        return EqualizedConv2d(self.shape[0], fine, 1, rng=self.rng)  # from_rgb

    def forward(self, x):
        x = as_tensor(x)
        h = act(self.colours[-1](x))
        for number in range(len(self.blocks) - 1, 0, -1):
            conv1, conv2 = self.blocks[number]
            h = down(act(conv2(act(conv1(h)))))
            if number == len(self.blocks) - 1 and self.alpha < 1.0:
                h = (1.0 - self.alpha) * act(self.colours[-2](down(x))) + self.alpha * h
        conv, hidden, last = self.blocks[0]
        h = act(conv(minibatch_deviation(h)))
        return last(act(hidden(flatten(h, 1))))[:, 0]


class ProGAN(Implicit):
    """generator, discriminator: ProGenerator and ProDiscriminator. space: of the finished images. penalty: lambda of
    the gradient penalty; drift: of E[D^2]. alpha is `done` in the stages that fade, else 1."""

    done = 1.0

    def __init__(self, generator, discriminator, space, penalty=10.0, drift=1e-3):
        super().__init__(generator, discriminator, space)
        self.discriminator, self.penalty, self.drift, self.fades = discriminator, penalty, drift, False

    def grow(self):
        """The next resolution: to be faded in."""
        self.generator.grow()
        self.discriminator.grow()
        self.fades = True

    def settle(self):
        """The newest block counts fully from now on."""
        self.fades = False

    def players(self):
        return [Player("D", self.discriminator.parameters(), self.discriminator_loss),
                Player("G", self.generator.parameters(), self.generator_loss, data=False)]

    def set_alpha(self):
        """alpha of both networks, by the clock."""
        self.generator.alpha = self.discriminator.alpha = self.done if self.fades else 1.0
        return self.generator.alpha

    def seen(self, x):
        """Real images (N, C, H, W) on [-1, 1], finished, as D is to see them now: small, and blurred while a block is
        being faded in."""
        alpha, x = self.set_alpha(), as_tensor(x)
        while x.shape[-1] > self.generator.side:
            x = down(x)
        return (x if alpha == 1.0 else (1.0 - alpha) * up(down(x)) + alpha * x).data

    def discriminator_loss(self, batch, rng):
        x = self.seen(self.space.signed(batch["x"]))
        fake = self.fake(len(x), rng)
        t = uniform(rng, (len(x), 1, 1, 1))
        penalty = gradient_penalty(self.discriminator, t * x + (1.0 - t) * fake.data)
        a_data, a_fake = self.discriminator(x), self.discriminator(fake)
        distance = a_data.mean() - a_fake.mean()
        loss = self.penalty * penalty - distance + self.drift * (a_data * a_data).mean()
        return {"loss": loss, "distance": distance, "penalty": penalty}

    def generator_loss(self, n, rng):
        self.set_alpha()
        return {"-D": -self.discriminator(self.generator(self.noise(n, rng))).mean()}

    def decode(self, z):
        """Images on [0, 1] of full size: the pixels of a network that still grows are repeated."""
        self.set_alpha()
        times = self.space.shape[1] // self.generator.side

        def drawn(z):
            x = self.generator(asarray(z, default_dtype)).data
            return self.space.from_signed(x.repeat(times, axis=2).repeat(times, axis=3))

        with no_grad():
            return in_chunks(drawn, z, CHUNK)
