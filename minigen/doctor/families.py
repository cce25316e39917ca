"""Autoencoders, codebooks, GANs, flows, autoregressive models: the fault that each is known for.

Read before this: case.py, and the family's folder.
"""
import numpy as np

from autograd import Tensor, as_tensor, grad, no_grad, parameter
from autograd.backend import asarray, to_numpy

from ..adversarial.implicit import Implicit
from ..adversarial.objectives import nonsaturating
from ..autoencoders import Variational
from ..autoencoders.collapse import ACTIVE
from ..autoregressive import Autoregressive
from ..data import EIGHT_CENTRES, EIGHT_SIGMA
from ..flows.normalizing_flow import NormalizingFlow
from ..metrics import class_histogram, density_coverage, modes
from ..models.adversarial import GAN
from ..models.classifiers.cnn import SHIPPED, pretrained
from ..nn.module import in_eval_mode
from ..quantize.codebook import Codebook
from ..quantize.usage import code_counts, perplexity
from .case import Finding

SURE = 0.98  # of data and samples that D tells apart
COLLAPSED = "a faster D, or one that sees several samples at once; a critic (WGAN-GP)"
JACOBIAN = 200  # numbers of an example whose Jacobian is taken


# Latents


def latents(case):
    """Latents that say nothing, and codes that lie where the prior is not."""
    if not isinstance(case.model, Variational) or case.x() is None:
        return
    with case.run.evaluating():
        mu = case.model.encode(case.x())
        terms = case.run.validate(case.run.data)
    used, spread = int((mu.var(axis=0) > ACTIVE).sum()), float((mu**2).mean(axis=0).max())
    kl = next((value for name, value in terms.items() if name.endswith("KL")), float("nan"))
    if used == 0:
        yield Finding("collapse", f"none of {mu.shape[1]} latents says anything of x, KL {kl:.2g} nats: the decoder "
                      "does without", "let the weight of the KL rise from 0, free bits, or a weaker decoder", kl)
    elif used <= mu.shape[1] / 4:
        yield Finding("unused latents", f"{used} of {mu.shape[1]} latents carry all of the KL, {kl:.3g} nats: the "
                      "others say the same of every x", "fewer latents, free bits, a weight of the KL that rises", used)
    if spread > 6:
        yield Finding("codes off the prior", f"the mean square of a latent is {spread:.3g}, and 1 under the prior that "
                      f"samples come from; {used} of {mu.shape[1]} in use", "a larger weight of the KL", spread)


def codebooks(case):
    """Codes that are never chosen."""
    for name, book in case.model.named_modules():
        if not isinstance(book, Codebook) or not hasattr(case.model, "encode"):
            continue
        codes = case.model.encode(case.x())
        if isinstance(codes, tuple):  # of several levels, in the order of their codebooks
            books = [b for _, b in case.model.named_modules() if isinstance(b, Codebook)]
            codes = codes[[b is book for b in books].index(True)]
        counts = code_counts(codes, book.K)
        dead, felt = float((counts == 0).mean()), perplexity(counts)
        if dead > 0.6 or felt < 0.1 * book.K:
            yield Finding("dead codes", f"{dead:.0%} of the {book.K} codes of {name} are never chosen, perplexity "
                          f"{felt:.3g}", "begin on the encoder's outputs (spread=True), put idle codes elsewhere "
                          "(restart=100), moving averages (EMACodebook)", felt)


# Adversarial models


def too_sure(case):
    """A discriminator that has won: of those that give logits, which maximize V, and are told no condition."""
    model = case.model
    if not isinstance(model, Implicit) or not hasattr(model, "discriminator") or getattr(model, "conditions", ()) \
            or not any(name.endswith("-V") for name in case.run.history.sums):
        return
    with case.run.evaluating(), no_grad():
        x = case.x()
        drawn, levels = model.sample(len(x), case.rng()), model.space.levels
        drawn = drawn if levels is None else np.rint(drawn * (levels - 1)).astype(model.space.dtype)
        a_data, a_fake = (to_numpy(model.discriminator(Tensor(model.space.signed(y))).data) for y in (x, drawn))
    right = float(0.5 * ((a_data > 0).mean() + (a_fake < 0).mean()))
    if right > SURE:
        yield Finding("D too sure", f"D is right about {right:.1%} of data and samples; at the end of the game it is "
                      "half of the time",
                      "a smaller learning rate or fewer steps for D, noise on what it sees, R1", right)


def vanished(case):
    """A generator whose loss has no slope where it stands, although another loss has."""
    model = case.model
    if not isinstance(model, GAN):  # the others have no choice of the loss
        return
    player, lengths = next(player for player in case.run.players if player.name == "G"), []
    with in_eval_mode(model):
        for loss in (lambda: next(iter(player.loss(case.given_to(player, 128), case.rng()).values())),
                     lambda: nonsaturating(model.discriminator(model.generator(model.noise(128, case.rng()))))):
            lengths.append(np.sqrt(sum(float((g.data**2).sum()) for g in grad(loss(), player.params, allow_unused=True)
                                       if g is not None)))
    share = float(lengths[0] / max(lengths[1], 1e-30))
    if share < 0.1:
        yield Finding("G's gradient", f"the gradient of G's loss is {share:.2g} of that of -log D(G(z)): D knows the "
                      "samples, and the loss is flat there", "the nonsaturating loss, or a critic (WGAN-GP)", share)


def coverage(case):
    """Samples that are all alike, or leave modes out."""
    model = case.model
    if not isinstance(model, Implicit) or getattr(model, "conditions", ()) or case.x() is None:
        return
    n = 400
    with case.run.evaluating():
        drawn, real = model.sample(n, case.rng()), model.space.drawn(case.x(n))
    if case.run.data.name == "eight_gaussians":
        covered = int(np.sum(modes(drawn, EIGHT_CENTRES, EIGHT_SIGMA)[1]))
        if covered < 6:
            yield Finding("mode collapse", f"samples are in {covered} of 8 modes", COLLAPSED, covered)
        return
    name = case.run.data.name
    if name in SHIPPED and SHIPPED[name][2].shape == ():
        counts = class_histogram(pretrained(name).judge(drawn)[1])
        seen = int((counts > 0.1 * n / len(counts)).sum())
        if seen <= len(counts) / 2:
            yield Finding("mode collapse", f"a classifier sees {seen} of {len(counts)} classes in {n} samples: "
                          + " ".join(map(str, counts)), COLLAPSED, seen)
            return
    spread = [float(np.sqrt(y.reshape(len(y), -1).var(axis=0).sum())) for y in (drawn, real)]
    share = spread[0] / max(spread[1], 1e-12)
    near = density_coverage(real, drawn)[1] if model.space.size < 10 else None
    if share < 0.4 or near is not None and near < 0.3:
        how = f"samples spread {share:.2f} as far as data do" + (
            "" if near is None else f", and {near:.0%} of data have a sample near them")
        yield Finding("mode collapse", how, COLLAPSED, share)


# Likelihoods


def flow(case):
    """A flow that does not come back, or whose log-determinant is not that of its Jacobian."""
    model = case.model
    if not isinstance(model, NormalizingFlow) or case.x() is None:
        return
    rng, n = case.rng(), 32
    with case.run.evaluating():
        x = case.x(n)
        v = model.space.unit(x) if model.dequantization is None else model.dequantization(x, rng)[0]
        v = as_tensor(v).data
        with no_grad():
            z = model.flow(Tensor(v))[0]
            off = float(np.abs(to_numpy(model.flow.inverse(z).data - v)).max())
        if off > 0.01:
            yield Finding("inverse", f"flow^-1(flow(x)) differs from x by up to {off:.2g}: samples are not of the "
                          "density that is measured",
                          "compare inverse with forward, layer by layer; a scale near 0 loses digits", off)
        if model.D > JACOBIAN:
            return
        leaf = parameter(v[:2])
        z, logdet = model.flow(leaf)
        rows = [grad(z[:, i].sum(), leaf, create_graph=True).data.reshape(2, -1) for i in range(model.D)]
        true = np.linalg.slogdet(np.stack([to_numpy(row) for row in rows], axis=1).astype(np.float64))[1]
        drift = float(np.abs(to_numpy(logdet.data) - true).max())
    if drift > 0.05 + 1e-3 * model.D:
        yield Finding("log-determinant", f"the flow says log |det| is {float(logdet.data[0]):.4g}, its Jacobian "
                      f"{true[0]:.4g}: {drift:.2g} nats of the likelihood are made up",
                      "hold each layer's logdet against slogdet of its Jacobian", drift)


def order(case):
    """An autoregressive model that looks at what it is to predict, or hardly looks back: one number of an example takes
    all K values in turn. No conditional before it may change, its own must sum to one, and some after it should."""
    model = case.model
    if not isinstance(model, Autoregressive) or model.dtype != np.int64 or case.x() is None:
        return
    model = model.in_order(0) if hasattr(model, "orders") else model  # of several, the first
    batch, ahead, total, felt = case.batch(1), 0.0, [], []
    x = np.repeat(to_numpy(model.to_sequence(to_numpy(model.observe(batch["x"], case.rng())))), model.K, axis=0)
    told = {name: np.repeat(value, model.K, axis=0) for name, value in model.told(batch).items()}
    with case.run.evaluating(), no_grad():
        for j in np.unique(np.linspace(0, model.D - 2, 8 if model.K <= 32 else 3).astype(int)):
            every = x.copy()
            every[:, j] = np.arange(model.K)
            log_p = to_numpy(model.log_conditionals(model.from_sequence(asarray(every)), **told).data)  # (K, D)
            ahead = max(ahead, float(np.ptp(log_p[:, :j], axis=0).max(initial=0.0)))
            total.append(float(np.exp(np.float64(log_p[:, j])).sum()))
            felt.append(np.ptp(log_p[:, j + 1 :], axis=0).max() > 1e-6)
    off = max(total, key=lambda each: abs(each - 1))
    if ahead > 1e-3:
        yield Finding("sees the future", f"a number changes conditionals that come before it, by up to {ahead:.2g} "
                      "nats: samples will be nothing like the likelihood", "masks or shifts: what is i told of?", ahead)
    elif abs(off - 1) > 1e-3:
        yield Finding("sees the future", f"the probabilities of a number, given those before it, sum to {off:.3g}: it "
                      "is told what it is to predict",
                      "the first layer needs mask A, all others B; shift the tokens by one", off)
    elif np.mean(felt) < 0.75:
        yield Finding("blind", f"only {np.mean(felt):.0%} of the numbers change any conditional that follows them",
                      "a mask that leaves nothing, or a receptive field that is too small: more layers, larger filters",
                      float(np.mean(felt)))


CHECKS = [latents, codebooks, too_sure, vanished, coverage, flow, order]
