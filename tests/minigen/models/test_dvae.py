"""The dVAE against sums over all of its codes: log p, the bounds' order, the KL; and what the known mistakes would do."""
from functools import partial

import numpy as np
import pytest
import scipy.special
import scipy.stats

from autograd import grad, no_grad, one_hot, softmax
from autograd.backend import to_numpy
from minigen import data
from minigen.data import Space
from minigen.models.codes import DVAE, dvae
from minigen.models.codes.dvae import flat_pair, grid_pair
from minigen.optim import Adam, adam, cosine_decay
from minigen.quantize.gumbel import annealed, gumbel_softmax, straight_through_gumbel
from minigen.train import Run, one_stage, train

DIGITS = Space((1, 8, 8), 17)
BITS = Space((1, 2, 3), 2)


def rng(seed=0):
    return np.random.default_rng(seed)


FLAT, GRID = partial(flat_pair, hidden=(8,)), partial(grid_pair, width=6)


def tiny(seed=0, codes=Space((2,), 3), space=BITS, decoder="bernoulli", networks=FLAT, **settings):
    """A model of so few codes that they can be counted, with weights and a prior that differ from 0."""
    model = DVAE(space, codes, decoder, networks, rng=rng(seed), **settings)
    for p in model.parameters():
        p.data[...] = rng(seed + 1).standard_normal(p.shape)
    return model


def every_code(model):
    """All K^L codes, integers (K^L, L)."""
    return np.stack(np.meshgrid(*[np.arange(model.K)] * model.L, indexing="ij"), axis=-1).reshape(-1, model.L)


def log_categorical_all(codes, logits):
    """log p of each code (M, L) for logits (N, L, K): (N, M)."""
    log_p = scipy.special.log_softmax(np.float64(logits), axis=-1)
    return np.stack([log_p[:, np.arange(codes.shape[1]), code].sum(axis=1) for code in codes], axis=1)


def exactly(model, x):
    """log p(x, z) and log q(z | x) of each image and each code, (N, K^L) both, in float64 where it matters."""
    codes = every_code(model)
    with no_grad():
        observed, seen = model.likelihood.observe(x, rng())
        h = model.logits(one_hot(codes, model.K))  # (M, D size)
        log_p_x = np.stack([np.float64(model.likelihood.log_prob(row, h).numpy()).sum(axis=1) for row in observed])
        log_q = log_categorical_all(codes, model.posterior(seen).numpy())
    prior = to_numpy(getattr(model.prior, "data", model.prior))
    return log_p_x + log_categorical_all(codes, prior[None]), log_q


def log_likelihood(model, x):
    return scipy.special.logsumexp(exactly(model, x)[0], axis=1)


def bound(model, x):
    """The ELBO of each image, exactly."""
    log_p, log_q = exactly(model, x)
    return (np.exp(log_q) * (log_p - log_q)).sum(axis=1)


def every_image(space):
    return np.stack(np.meshgrid(*[np.arange(space.levels)] * space.size), axis=-1).reshape(-1, *space.shape).astype(np.uint8)


def mean_loss(model, x, draws=400):
    """(the mean of the loss over draws of z, three standard errors of it)."""
    noise = rng(5)
    with no_grad():
        losses = [model.loss({"x": x}, noise)["loss"].item() for _ in range(draws)]
    return np.mean(losses), 3 * np.std(losses) / np.sqrt(draws)


def trained(model, x, steps, lr=0.02):
    optimizer, noise = Adam(model.parameters(), lr), rng(9)
    model.train()
    for _ in range(steps):
        optimizer.step(grad(model.loss({"x": x}, noise)["loss"], optimizer.params))
    return model.eval()


# The likelihood and its bounds


@pytest.mark.parametrize("settings", [
    dict(), dict(prior="uniform"), dict(decoder="categorical", space=Space((1, 1, 4), 3)),
    dict(space=Space((1, 2, 4), 2), codes=Space((1, 1, 2), 3), networks=GRID),
    dict(space=Space((1, 2, 3), 3), codes=Space((1, 1, 1), 3), networks=GRID, decoder="categorical"),
])
def test_probabilities_of_all_images_sum_to_one(settings):
    model = tiny(**settings)
    assert np.exp(log_likelihood(model, every_image(model.space))).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("prior", ["learned", "uniform"])
@pytest.mark.parametrize("networks, codes", [(FLAT, Space((2,), 3)), (GRID, Space((1, 1, 2), 3))])
def test_elbo_below_the_bound_of_m_draws_below_log_p(networks, codes, prior):
    model = tiny(space=Space((1, 2, 4), 2), codes=codes, networks=networks, prior=prior)
    for p in model.encoder.parameters():
        p.data *= 0.4  # a poor guess, but wide enough for 2,000 draws of it to close the gap
    x = every_image(model.space)[::3]
    elbo, of_20 = (-measure.value for measure in model.measure({"x": x}, rng(2), m=20)[:2])
    of_2000 = model.measure({"x": x}, rng(3), m=2000)
    log_p = log_likelihood(model, x).mean()
    assert elbo + 0.1 < of_20 < -of_2000[1].value - 0.01 and -of_2000[1].value < log_p + 0.01
    assert -of_2000[1].value == pytest.approx(log_p, abs=0.05)
    log_p, log_q = exactly(model, x)
    variance = (np.exp(log_q) * (log_p - log_q) ** 2).sum(axis=1) - bound(model, x) ** 2  # of log w, over draws of z
    error = 4 * np.sqrt(variance.mean() / (2000 * len(x)))
    assert -of_2000[0].value == pytest.approx(bound(model, x).mean(), abs=error) and error < 0.2


def test_in_eval_mode_the_loss_is_an_unbiased_estimate_of_minus_the_elbo():
    model, x = tiny().eval(), every_image(BITS)
    found, error = mean_loss(model, x)
    assert found == pytest.approx(-bound(model, x).mean(), abs=error) and error < 0.1
    assert abs(mean_loss(tiny(beta=0.0).eval(), x)[0] + bound(model, x).mean()) > 10 * error  # the KL is missing


class Relaxed(DVAE):
    """Whose evaluation stays relaxed, as its training is."""

    def draw(self, logits, rng):
        return gumbel_softmax(logits, 1.0, rng)


def test_the_relaxed_bound_is_none():
    """Where y can be anything between two corners it says more of x than either: the loss then is below -log p. With
    draws of categories in eval mode it is not; with a mutant that stays relaxed, it is."""
    x = np.uint8([[[[0, 0, 0]]], [[[0, 0, 1]]], [[[0, 1, 1]]], [[[1, 1, 1]]]]).repeat(16, axis=0)
    x = np.concatenate([x, x, x, x], axis=3)  # four kinds of image, of 12 pixels each
    space, codes = Space((1, 1, 12), 2), Space((1,), 2)
    model = trained(DVAE(space, codes, networks=partial(flat_pair, hidden=(32,)), tau=1.0, rng=rng()), x, 400)
    log_p = log_likelihood(model, x).mean()
    soft, error = mean_loss(model.train(), x)
    assert -soft > log_p + 0.2 + error
    hard, error = mean_loss(model.eval(), x)
    assert -hard < log_p + error
    elbo, of_m = model.measure({"x": x}, rng(), m=100)[:2]
    assert -elbo.value <= -of_m.value <= log_p + 0.01
    mutant = Relaxed(space, codes, networks=partial(flat_pair, hidden=(32,)), rng=rng())
    mutant.load_state_dict(model.state_dict())
    hard, error = mean_loss(mutant.eval(), x)
    assert -hard > log_p + error


def test_without_the_kl_the_bound_is_worse():
    """Training then says nothing against a posterior far from the prior."""
    x = rng(4).integers(0, 2, (30, 1, 2, 3)).astype(np.uint8)
    with_kl, without = (trained(DVAE(BITS, Space((6,), 4), beta=beta, rng=rng()), x, 200) for beta in (1.0, 0.0))
    elbo = [-model.measure({"x": x}, rng(1), m=50)[0].value for model in (with_kl, without)]
    kl = [model.loss({"x": x}, rng(2))["KL"].item() for model in (with_kl, without)]
    assert elbo[0] > elbo[1] + 1 and kl[1] > 2 * kl[0]


# The KL


def kl_by_sum(model, x):
    """Over all codes: sum_z q(z | x) log q(z | x) / p(z), the mean over images."""
    codes = every_code(model)
    log_q = log_categorical_all(codes, model.posterior(model.likelihood.observe(x, rng())[1]).numpy())
    log_p = log_categorical_all(codes, model.prior.numpy()[None])
    return (np.exp(log_q) * (log_q - log_p)).sum(axis=1).mean()


def test_the_kl_is_that_of_categories_by_a_sum_over_all_codes(monkeypatch):
    model, x = tiny(codes=Space((3,), 4)), every_image(BITS)
    kl = lambda: model.loss({"x": x}, rng())["KL"].item()  # noqa: E731
    assert kl() == pytest.approx(kl_by_sum(model, x), rel=1e-5)
    right = dvae.kl_categorical
    for wrong in (lambda q, p: right(softmax(q), p),  # probabilities taken for logits
                  lambda q, p: right(p, q),  # the other divergence
                  lambda q, p: right(q, np.zeros(4, np.float32)),  # the learned prior forgotten
                  lambda q, p: right(q, p) / 3):  # a mean over latents
        monkeypatch.setattr(dvae, "kl_categorical", wrong)
        assert kl() != pytest.approx(kl_by_sum(model, x), rel=1e-3)


def known(model, p=0.9):
    """All weights zero but a bias of the encoder: each q is (p, 1 - p), each pixel white with probability 1/2."""
    for parameter in model.parameters():
        parameter.data[...] = 0
    model.encoder[-1].bias.data[::2] = np.log(p / (1 - p))
    return model


@pytest.mark.parametrize("N", [1, 7])
@pytest.mark.parametrize("L", [1, 5])
def test_sums_over_pixels_and_latents_and_means_over_the_batch(N, L):
    model = known(DVAE(BITS, Space((L,), 2), rng=rng()))
    terms = {name: term.item() for name, term in model.loss({"x": every_image(BITS)[:N]}, rng()).items()}
    kl = L * (np.log(2) - scipy.stats.entropy([0.9, 0.1]))
    assert terms == pytest.approx({"loss": 6 * np.log(2) + kl, "reconstruction": 6 * np.log(2), "KL": kl}, rel=1e-5)


def test_a_learned_prior_moves_to_the_mean_of_the_posteriors():
    """d KL / d logits of the prior = pi - mean q."""
    model, x = tiny(), every_image(BITS)
    (g,) = grad(model.loss({"x": x}, rng())["KL"], [model.prior])
    q = scipy.special.softmax(model.posterior(model.space.rows(x)).numpy(), axis=-1)
    np.testing.assert_allclose(g.numpy(), scipy.special.softmax(model.prior.numpy(), axis=-1) - q.mean(axis=0), atol=1e-5)
    uniform = tiny(prior="uniform")
    assert len(uniform.parameters()) == len(model.parameters()) - 1 and not np.any(uniform.prior)


# The clock, and the draws


def test_temperature_and_weight_follow_the_clock():
    seen, x = [], every_image(BITS)

    def relax(logits, tau, rng):
        seen.append(tau)
        return gumbel_softmax(logits, tau, rng)

    model = tiny(tau=cosine_decay(1.0, 1 / 16), beta=lambda done: min(1.0, 4 * done), relax=relax)
    for done, tau, beta in ((0.0, 1.0, 0.0), (0.125, None, 0.5), (0.5, (1 + 1 / 16) / 2, 1.0), (1.0, 1 / 16, 1.0)):
        model.done = done
        terms = model.loss({"x": x}, rng())
        assert tau is None or seen[-1] == pytest.approx(tau)
        weighted = terms["reconstruction"].item() + beta * terms["KL"].item()
        assert terms["loss"].item() == pytest.approx(weighted, rel=1e-5)


def test_the_loop_sets_the_clock():
    seen, digits, noise = [], data.load("digits"), rng()

    def relax(logits, tau, rng):
        seen.append(tau)
        return straight_through_gumbel(logits, tau, rng)

    model = DVAE(DIGITS, Space((3,), 4), "categorical", tau=annealed(1.0, 0.5), relax=relax, rng=noise)
    train(Run(one_stage(model, adam(1e-3), steps=4, batch_size=10), digits, rng=noise))
    assert seen == pytest.approx([1.0, np.exp(-0.25), np.exp(-0.5), 0.5])
    model.eval().loss(digits.first(5).columns, noise)
    assert len(seen) == 4  # in eval mode nothing is relaxed


@pytest.mark.parametrize("relax, corners", [(gumbel_softmax, False), (straight_through_gumbel, True)])
def test_what_the_decoder_is_shown(relax, corners):
    model, shown = tiny(relax=relax), []
    forward = model.logits
    model.logits = lambda z: shown.append(z) or forward(z)
    for training in (True, False):
        model.train(training).loss({"x": every_image(BITS)}, rng())
    soft, hard = ((to_numpy(getattr(z, "data", z)) > 0.999).any(axis=-1).all() for z in shown)
    assert soft == corners and hard


def test_every_parameter_is_trained():
    for networks, codes, relax in ((FLAT, Space((3,), 4), gumbel_softmax),
                                   (GRID, Space((1, 4, 4), 6), straight_through_gumbel)):
        model = DVAE(DIGITS, codes, "categorical", networks, relax=relax, rng=rng())
        for p in model.parameters():  # a residual branch starts as 0, and stops gradients
            p.data += 0.1 * rng(1).standard_normal(p.shape, dtype=np.float32)
        (player,) = model.players()
        assert [id(p) for p in player.params] == [id(p) for p in model.parameters()]
        gradients = grad(player.loss({"x": data.load("digits")["x"][:10]}, rng())["loss"], player.params)
        assert all(np.isfinite(g.data).all() and np.any(g.data != 0) for g in gradients)


# Codes and images


def test_samples_have_codes_of_the_prior(monkeypatch):
    model, drawn = tiny(), []
    monkeypatch.setattr(model, "decode", lambda codes: drawn.append(codes))
    model.sample(5000, rng())
    p = np.exp(log_categorical_all(every_code(model), model.prior.numpy()[None]))[0]
    counts = np.bincount(drawn[0] @ [3, 1], minlength=9)
    assert drawn[0].shape == (5000, 2) and scipy.stats.chisquare(counts, 5000 * p).pvalue > 0.01
    assert scipy.stats.chisquare(counts).pvalue < 1e-9  # uniform ones would be others


@pytest.mark.parametrize("shape, levels, codes, networks", [
    ((1, 8, 8), 17, (6,), FLAT), ((1, 8, 8), 17, (1, 4, 4), GRID), ((3, 10, 7), 256, (1, 2, 1), GRID),
])
def test_images_and_codes_travel_both_ways(shape, levels, codes, networks):
    decoder = "categorical" if levels < 20 else "bernoulli"
    model = DVAE(Space(shape, levels), Space(codes, 5), decoder, networks, rng=rng())
    x = rng(1).integers(0, levels, (7, *shape)).astype(np.uint8)
    z = model.encode(x)
    assert isinstance(z, np.ndarray) and z.shape == (7, *codes) and z.dtype.kind == "i" and model.codes.levels == 5
    model.codes.check(z)
    logits = model.posterior(model.space.rows(x)).numpy()
    np.testing.assert_array_equal(z.reshape(7, -1), logits.argmax(axis=-1))
    images = model.decode(z)
    assert isinstance(images, np.ndarray) and images.shape == x.shape and 0 <= images.min() <= images.max() <= 1
    np.testing.assert_array_equal(model.reconstruct(x), images)
    assert model.sample(3, rng()).shape == (3, *shape) and model.decode(z[:0]).shape == (0, *shape)
    assert all(np.isfinite(measure.value) for measure in model.measure({"x": x}, rng(), m=3))


def test_a_code_of_the_grid_stands_where_its_patch_is():
    """Other pixels, another code, in the same place: rows and columns, and the K channels, are not mixed up."""
    model = DVAE(Space((1, 16, 20), 2), Space((1, 8, 10), 5), networks=GRID, rng=rng())
    x = np.zeros((2, 1, 16, 20), np.uint8)
    x[1, 0, 15, 19] = 1  # the last pixel of the last of 8 x 10 patches
    logits = model.posterior(model.space.rows(x)).numpy()
    changed = np.abs(logits[0] - logits[1]).max(axis=-1).reshape(8, 10) > 1e-7
    assert changed[6:, 8:].all() and changed.sum() == 4  # a convolution of 3 x 3 sees it
    codes = np.zeros((2, 1, 8, 10), np.int64)
    codes[1, 0, 0, 9] = 3
    rows, columns = np.nonzero(np.abs(np.subtract(*model.decode(codes)))[0] > 1e-7)
    assert set(rows) == {0, 1, 2, 3, 4} and set(columns) == {15, 16, 17, 18, 19}


# Evaluation


def test_evaluation_does_not_depend_on_the_size_of_its_chunks(monkeypatch):
    model, x = DVAE(DIGITS, Space((3,), 4), "categorical", FLAT, rng=rng()), data.load("digits", "test")["x"][:30]
    whole = model.measure({"x": x}, rng(1), m=100)
    monkeypatch.setattr("minigen.importance.HELD", 1)
    single = model.measure({"x": x}, rng(1), m=100)
    assert [f.value for f in whole] == pytest.approx([f.value for f in single], rel=1e-5)


def test_what_is_measured_on_a_part_says_so():
    x = data.load("digits", "test")["x"][:30]
    models = [tiny(space=DIGITS, decoder="categorical", measured=measured) for measured in (None, 10, 50)]
    whole, part, more = (model.measure({"x": x}, rng(1), m=4) for model in models)
    assert [measure.name for measure in whole] == ["-ELBO", "-IW bound", "codes in use"]
    assert part[0].value == models[0].measure({"x": x[:10]}, rng(1), m=4)[0].value != whole[0].value
    assert "the first 10 examples" in part[1].detail and "first" not in whole[0].detail + more[0].detail
    assert part[2] == whole[2] and "k = 4" in whole[1].detail


def test_codes_in_use_are_counted_over_all_examples():
    model = known(DVAE(BITS, Space((3,), 2), rng=rng()))
    assert model.measure({"x": every_image(BITS)}, rng(), m=2)[2].value == 1  # whatever x, the same code
    assert 1 < tiny(codes=Space((3,), 2)).measure({"x": every_image(BITS)}, rng(), m=2)[2].value <= 2


def test_trained_it_beats_independent_pixels():
    digits, noise = data.load("digits"), rng()
    model = DVAE(DIGITS, Space((20,), 10), "categorical", tau=annealed(1.0, 0.5), rng=noise)
    run = train(Run(one_stage(model, adam(cosine_decay(3e-3)), 300, 100), digits, rng=noise))
    with run.evaluating():
        measures = model.measure(data.load("digits", "test").columns, rng(), m=20)
    assert measures[1].value < 106.37 and measures[1].value < measures[0].value < 115 and measures[2].value > 2


@pytest.mark.parametrize("arguments, message", [
    (dict(decoder="gaussian"), "DVAE: decoder is 'gaussian' for x of 17 levels, expected bernoulli or categorical"),
    (dict(space=Space((2,))), "DVAE: decoder is 'bernoulli' for x of no levels"),
    (dict(codes=Space((4,), 1)), r"DVAE: codes has shape \(4,\) and 1 levels, expected at least one number with at least 2"),
    (dict(codes=Space((4,))), "and no levels"),
    (dict(prior="flat"), "DVAE: prior is 'flat', expected learned or uniform"),
    (dict(networks=GRID, codes=Space((1, 3, 2), 9)), r"grid_pair: codes has shape \(1, 3, 2\), expected \(1, h, w\) "
     r"with h w a size that images of shape \(1, 8, 8\) have when they are halved, once or more"),
    (dict(networks=GRID, codes=Space((16,), 9)), r"grid_pair: codes has shape \(16,\)"),
    (dict(networks=GRID, space=Space((5,), 2), codes=Space((1, 1, 1), 9)), r"images of shape \(5,\)"),
])
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        DVAE(**{"space": DIGITS, "codes": Space((4,), 5), **arguments}, rng=rng())


def test_bad_data():
    model = tiny(space=DIGITS, decoder="categorical")
    for call in (lambda x: model.loss({"x": x}, rng()), model.encode, model.reconstruct):
        with pytest.raises(ValueError, match=r"x has shape \(4, 1, 7, 7\), expected \(N, 1, 8, 8\)"):
            call(np.zeros((4, 1, 7, 7), np.uint8))
        with pytest.raises(ValueError, match="x holds values from 17 to 17, expected 0 to 16"):
            call(np.full((4, 1, 8, 8), 17, np.uint8))
    with pytest.raises(ValueError, match="codes holds values from 3 to 3, expected 0 to 2"):
        model.decode(np.full((4, 2), 3))
    with pytest.raises(ValueError, match=r"codes has shape \(4, 3\), expected \(N, 2\)"):
        model.decode(np.zeros((4, 3), np.int64))
