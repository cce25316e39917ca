"""A prior on codes: two stages that together draw images. First an autoencoder makes of an image a small grid of
integers; then an autoregressive model learns which grids there are.

    stage 1    x -> k -> x           the autoencoder, trained without a prior, now frozen
    stage 2    p(k) = prod_i p(k_i | k_1 .. k_{i-1})       fitted to the codes of the training images, by likelihood
    sample     k ~ p(k),  x = decode(k)

van den Oord, Vinyals & Kavukcuoglu 2017, sections 3.2 and 4, with a PixelCNN as the prior; Esser et al., "Taming
Transformers", CVPR 2021, with a transformer. Anything Autoregressive does, on the Space of the codes. It sees 49 codes
in the place of 784 pixels, and what is left to it is what is global: the shape, not the stroke's edge.

The codes are those that the autoencoder will decode: it is frozen, in eval mode, and each image is encoded once.
Whether the prior has learned anything is seen in its NLL per code, beside the entropy H of single codes, which is what
the best prior without neighbours reaches, and log K, that of the uniform prior under which the autoencoder was trained.
It is no likelihood of images: that would need p(x | k) of all k.

Symbols: N examples, K codes, h w grid. Read before this: vqvae.py, autoregressive/chain.py, nn/frozen.py.
"""
import math
from dataclasses import replace

from ...metrics import Measure
from ...nn import Frozen, Module
from ...player import Player
from ...quantize.usage import code_counts, entropy


class CodePrior(Module):
    """autoencoder: a Frozen, with `codes` (the Space of its grids), encode and decode. prior: an Autoregressive on that
    Space. What the prior is told, such as labels, the samples are told."""

    judged = 1000  # samples at most: drawing them takes long

    def __init__(self, autoencoder, prior):
        if not isinstance(autoencoder, Frozen):
            raise ValueError(f"CodePrior: autoencoder is a {type(autoencoder).__name__}, whose weights would be "
                             "trained along with the prior's; pass Frozen(autoencoder)")
        if prior.space != autoencoder.codes or prior.K != autoencoder.codes.levels:
            raise ValueError(f"CodePrior: the prior models {prior.space.shape} of {prior.K} levels, and the codes are "
                             f"{autoencoder.codes.shape} of {autoencoder.codes.levels}; make it of autoencoder.codes")
        self.autoencoder, self.prior = autoencoder, prior

    @property
    def conditions(self):
        return tuple(self.prior.conditions)

    def view(self, data):
        """The Dataset of the codes of a Dataset of images, with what the prior is told beside."""
        told = self.prior.told(data.columns)
        codes = self.autoencoder.encode(data["x"]).astype(self.prior.space.dtype)
        spaces = {"x": self.prior.space, **{name: data.spaces[name] for name in told}}
        return replace(data, columns={"x": codes, **told}, spaces=spaces, note=f"codes of {data.note}")

    def players(self):
        return [Player("prior", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        """Of a batch of codes, as `view` makes them: -log p in nats per code, and bits."""
        nats = self.prior.loss(batch, rng)["nats"] / self.prior.D
        return {"nats/code": nats, "bits/code": nats / math.log(2)}

    def sample(self, n, rng, **condition):
        """Images in [0, 1]: codes from the prior, decoded."""
        return self.autoencoder.decode(self.prior.draw(n, rng, **condition))

    def measure(self, batch, rng):
        """Of a batch of images."""
        codes, D, K = self.autoencoder.encode(batch["x"]), self.prior.D, self.prior.K
        nats = self.prior.measure({**batch, "x": codes}, rng)[0]  # per example
        H = entropy(code_counts(codes, K))
        return [code_measure(nats.value / D, nats.half_width / D, "nats/code", H, math.log(K)),
                code_measure(nats.value / D / math.log(2), nats.half_width / D / math.log(2), "bits/code",
                             H / math.log(2), math.log2(K))]


def code_measure(value, half_width, unit, H, uniform, name="NLL"):
    """The Measure of an NLL per code, beside what takes no network."""
    return Measure(name, value, half_width, unit,
                   f"{1 - value / max(H, 1e-12):.0%} below the entropy of single codes, {H:.3f}; uniform {uniform:.3f}")
