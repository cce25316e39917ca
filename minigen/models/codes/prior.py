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

Codes of two levels are drawn from the top down: p(top) p(bottom | top), a prior for each (Razavi et al. 2019, VQ-VAE-2,
algorithm 2).

Symbols: N examples, K codes, h w grid. Read before this: vqvae.py, autoregressive/chain.py, nn/frozen.py.
Course: 5.1, 5.2, 6.3.
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
        _require_frozen("CodePrior", autoencoder)
        _require_made_for("CodePrior", prior, autoencoder.codes)
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
        return per_code(self.prior, batch, rng)

    def sample(self, n, rng, **condition):
        """Images in [0, 1]: codes from the prior, decoded."""
        return self.autoencoder.decode(self.prior.draw(n, rng, **condition))  # course 5.1, 6.3

    def measure(self, batch, rng):
        """Of a batch of images."""
        return code_measures(self.prior, {**batch, "x": self.autoencoder.encode(batch["x"])}, rng)


class TwoLevelPrior(Module):
    """autoencoder: a Frozen with `codes`, encode and decode for two levels (vqvae2.py). top, bottom: an Autoregressive
    for each level; that of the bottom is told the top codes, conditions={"source": codes["top"]}. Whatever else they
    are told, such as labels, is the same for both."""

    judged = 1000

    def __init__(self, autoencoder, top, bottom):
        _require_frozen("TwoLevelPrior", autoencoder)
        for prior, level in ((top, "top"), (bottom, "bottom")):
            _require_made_for("TwoLevelPrior", prior, autoencoder.codes[level])
        told = {**top.conditions, "source": autoencoder.codes["top"]}
        if bottom.conditions != told:
            raise ValueError(f"TwoLevelPrior: the bottom prior is told {', '.join(bottom.conditions) or 'nothing'}, "
                             f"expected {', '.join(told)}: what the top one is, and as source the top codes, "
                             f"{told['source']}")
        self.autoencoder, self.top, self.bottom = autoencoder, top, bottom

    @property
    def conditions(self):
        return tuple(self.top.conditions)

    def view(self, data):
        """The Dataset of the codes at both levels, "top" and "bottom", with what the priors are told beside."""
        told, columns = self.top.told(data.columns), {}
        for (level, space), codes in zip(self.autoencoder.codes.items(), self.autoencoder.encode(data["x"])):
            columns[level] = codes.astype(space.dtype)
        spaces = {**self.autoencoder.codes, **{name: data.spaces[name] for name in told}}
        return replace(data, columns={**columns, **told}, spaces=spaces, note=f"codes of {data.note}")

    def players(self):
        return [Player("top", self.top.parameters(), self.top_loss),
                Player("bottom", self.bottom.parameters(), self.bottom_loss)]

    def top_loss(self, batch, rng):
        return per_code(*self.at_top(batch), rng)

    def bottom_loss(self, batch, rng):
        return per_code(*self.at_bottom(batch), rng)

    def at_top(self, batch):
        """(the prior of the top, its batch)."""
        return self.top, {**batch, "x": batch["top"]}

    def at_bottom(self, batch):
        """(the prior of the bottom, its batch)."""
        return self.bottom, {**batch, "x": batch["bottom"], "source": batch["top"]}

    def sample(self, n, rng, **condition):
        """Images in [0, 1]: codes of the top, of the bottom given these, decoded."""
        top = self.top.draw(n, rng, **condition)
        return self.autoencoder.decode(top, self.bottom.draw(n, rng, source=top, **condition))  # course 5.2

    def measure(self, batch, rng):
        """Of a batch of images."""
        top, bottom = self.autoencoder.encode(batch["x"])
        batch = {**batch, "top": top, "bottom": bottom}
        return [measure for name, at in ((", top", self.at_top), (", bottom", self.at_bottom))
                for measure in code_measures(*at(batch), rng, name)]


def per_code(prior, batch, rng):
    """The loss of a prior on a batch of codes: -log p in nats per code, and bits."""
    nats = prior.loss(batch, rng)["nats"] / prior.D
    return {"nats/code": nats, "bits/code": nats / math.log(2)}


def code_measures(prior, batch, rng, name=""):
    """The NLL of a prior per code, beside what takes no network: the entropy of single codes, and log K."""
    nats, H = prior.measure(batch, rng)[0], entropy(code_counts(batch["x"], prior.K))  # nats per example
    measures = []
    for unit, log2 in (("nats/code", 1.0), ("bits/code", math.log(2))):
        scale = prior.D * log2
        below = f"{1 - nats.value / prior.D / max(H, 1e-12):.0%} below the entropy of single codes, {H / log2:.3f}"
        measures.append(Measure(f"NLL{name}", nats.value / scale, nats.half_width / scale, unit,
                                f"{below}; uniform {math.log(prior.K) / log2:.3f}"))
    return measures


def _require_frozen(name, autoencoder):
    if not isinstance(autoencoder, Frozen):
        raise ValueError(f"{name}: autoencoder is a {type(autoencoder).__name__}, whose weights would be trained "
                         "along with the prior's; pass Frozen(autoencoder)")


def _require_made_for(name, prior, codes):
    if prior.space != codes or prior.K != codes.levels:
        raise ValueError(f"{name}: the prior models {prior.space.shape} of {prior.K} levels, and the codes are "
                         f"{codes.shape} of {codes.levels}; make it of autoencoder.codes")
