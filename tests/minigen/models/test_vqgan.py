"""The VQ-GAN against its equations, computed the slow way; and each mistake that is known of others, which a check here
must notice."""
import dataclasses

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from autograd import grad, no_grad, parameter
from autograd.backend import asarray, to_numpy
from minigen import data
from minigen.adversarial import balance
from minigen.adversarial.patch import PatchDiscriminator
from minigen.data import Space
from minigen.metrics import gradient_energy
from minigen.models.classifiers import CNN
from minigen.models.codes import VQGAN, CodePrior, vqgan
from minigen.nn import Frozen
from minigen.optim import adam
from minigen.quantize import Codebook, EMACodebook
from minigen.recipes import find
from minigen.train import Plan, Run, Stage, train

DIGITS = Space((1, 8, 8), 17)
BOTH = pytest.mark.parametrize("kind", [Codebook, EMACodebook])


def rng(seed=0):
    return np.random.default_rng(seed)


def small(kind=EMACodebook, model=VQGAN, beta=0.25, norm=None, **settings):
    """Scaled by the digits, and past its first batch, so that its codes lie on outputs of the encoder."""
    classifier = Frozen(CNN(DIGITS, widths=(4, 6), features=8, rng=rng(2)))
    D = PatchDiscriminator(DIGITS.shape, width=4, halvings=1, norm=norm, rng=rng(3))
    made = model(DIGITS, kind(8, 4, beta=beta, rng=rng()), D, classifier, width=8, halvings=1, rng=rng(1), **settings)
    made.scaled_by(images(200)).pixel_loss({"x": images()}, rng())
    return made


def images(n=20, split="train"):
    return data.load("digits", split)["x"][:n]


def slow_terms(model, x):
    """(L_rec, what of L_GAN depends on the autoencoder, the other terms of eq. 4, x_hat), all of one graph."""
    x, x_hat, terms = model.forth_and_back({"x": x}, rng())
    d = model.see(model.mean + model.std * x, model.mean + model.std * x_hat).mean()
    return abs(x - x_hat).mean() + model.perceptual * d, -model.discriminator(x_hat).mean(), sum(terms.values()), x_hat


def slow_lambda(model, x, W):
    """Eq. 7, each gradient by a graph of its own."""
    rec, gan = (np.linalg.norm(np.float64(grad(slow_terms(model, x)[i], W).numpy())) for i in (0, 1))
    return rec / (gan + 1e-6)


def arrays(gradients):
    return np.concatenate([g.numpy().ravel() for g in gradients])


# The equations


@BOTH
def test_the_reconstruction_loss_is_equation_4(kind):
    model, x = small(kind, perceptual=0.7).eval(), images()
    u = (np.float64(x) / 16 - model.mean.item()) / model.std.item()
    z = np.float64(model.encoder(asarray(np.float32(u))).numpy()).transpose(0, 2, 3, 1).reshape(-1, 4)
    e = np.float64(to_numpy(model.codebook.vectors()))[cdist(z, to_numpy(model.codebook.vectors())).argmin(axis=1)]
    x_hat = model.decoder(asarray(np.float32(e.reshape(-1, 4, 4, 4).transpose(0, 3, 1, 2)))).numpy()
    d = model.see(np.float32(x) / 16, model.mean + model.std * asarray(x_hat)).numpy()  # tested by itself
    expected = np.abs(u - x_hat).mean() + 0.7 * d.mean()
    model.done = 0.0  # before L_GAN enters
    terms = model.loss({"x": x}, rng())
    assert terms["L_rec"].item() == pytest.approx(expected, rel=1e-4)
    distance = (1.25 if kind is Codebook else 0.25) * ((z - e) ** 2).mean()
    assert terms["loss"].item() == pytest.approx(expected + distance, rel=1e-4)
    terms = model.pixel_loss({"x": x}, rng())
    assert terms["loss"].item() == pytest.approx(np.abs(u - x_hat).mean() + distance, rel=1e-4)


def lambda_at_x_hat(x_hat, W, g_rec, g_gan, most):
    return np.linalg.norm(g_rec.numpy()) / (np.linalg.norm(g_gan.numpy()) + 1e-6)


def lambda_upside_down(x_hat, W, g_rec, g_gan, most):
    return 1 / balance.adaptive_weight(x_hat, W, g_rec, g_gan)


def lambda_of_one(x_hat, W, g_rec, g_gan, most):
    return 1.0


class FirstLayer(VQGAN):
    def last_layer(self):
        return self.decoder.layers[0].weight


class Sweeps(VQGAN):
    """lambda by a sweep that frees the graph."""

    def forth_and_back(self, batch, rng):
        x, x_hat, terms = super().forth_and_back(batch, rng)
        grad(x_hat.sum(), self.last_layer())
        return x, x_hat, terms


def loss_is_right(model, x):
    """Whether gradient and value are those of eq. 6 with the lambda of eq. 7, computed the slow way."""
    params, W = model.autoencoder_parameters(), model.decoder.layers[-1].weight
    factor = model.weight * min(model.most, slow_lambda(model, x, W))
    rec, gan, others, _ = slow_terms(model, x)
    total = rec + factor * gan + others
    terms = model.loss({"x": x}, rng())
    close = np.allclose([terms["loss"].item(), terms["w lambda"].item()], [total.item(), factor], rtol=1e-4)
    found, expected = (arrays(grad(y, params)) for y in (terms["loss"], total))
    return close and np.allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@BOTH
@pytest.mark.parametrize("most", [1e9, 0.01])
def test_loss_and_gradient_are_those_of_equations_6_and_7(kind, most):
    assert loss_is_right(small(kind, most=most).eval(), images())


@pytest.mark.parametrize("wrong", [lambda_at_x_hat, lambda_upside_down, lambda_of_one])
def test_a_wrong_lambda_is_noticed(wrong, monkeypatch):
    monkeypatch.setattr(vqgan, "adaptive_weight", wrong)
    assert not loss_is_right(small(most=1e9).eval(), images())


def test_lambda_of_another_layer_is_noticed():
    assert not loss_is_right(small(model=FirstLayer, most=1e9).eval(), images())


def test_a_graph_that_was_freed_is_noticed():
    """By the engine itself: nothing would reach the encoder."""
    model = small(model=Sweeps).eval()
    with pytest.raises(RuntimeError, match="freed"):
        grad(model.loss({"x": images()}, rng())["loss"], model.autoencoder_parameters())


def pull(model, x):
    """|w lambda grad L_GAN| / |grad L_rec| at the last layer, from the weight that the loss shows."""
    W = model.decoder.layers[-1].weight
    gan, rec = (np.linalg.norm(grad(slow_terms(model, x)[i], W).numpy()) for i in (1, 0))
    return model.loss({"x": x}, rng())["w lambda"].item() * gan / rec


@pytest.mark.parametrize("scale", [0.1, 1.0, 1e3])
def test_the_reconstruction_keeps_the_upper_hand(scale, monkeypatch):
    """Whatever the scale of the logits, L_GAN pulls on the last layer with w of the reconstruction's force: it cannot be
    given up when D enters. With a weight that is fixed it is."""
    model = small(weight=0.8, most=1e9).eval()
    model.discriminator.net[-1].weight.assign(model.discriminator.net[-1].weight.data * np.float32(scale))
    assert pull(model, images()) == pytest.approx(0.8, rel=1e-3)
    monkeypatch.setattr(vqgan, "adaptive_weight", lambda_of_one)
    fixed = pull(model, images())
    assert not 0.75 < fixed < 0.85 and (fixed > 10 or scale < 1e3)


def test_lambda_is_clamped():
    """Of a D whose logits hardly move it would be huge, and multiply noise."""
    for most, expected in ((10.0, 8.0), (float("inf"), None)):
        model = small(weight=0.8, most=most).eval()
        model.discriminator.net[-1].weight.assign(model.discriminator.net[-1].weight.data * np.float32(1e-5))
        weight = model.loss({"x": images()}, rng())["w lambda"].item()
        assert weight == pytest.approx(expected) if expected else weight > 1000


# When D enters


def test_the_term_enters_later_and_on_a_ramp():
    model, x = small(enters=0.2, weight=0.5, most=1e9).eval(), images()
    weights = []
    for model.done in (0.0, 0.2, 0.25, 0.3, 1.0):
        weights.append(model.loss({"x": x}, rng())["w lambda"].item())
    full = 0.5 * slow_lambda(model, x, model.last_layer())
    np.testing.assert_allclose(weights, [0, 0, full / 2, full, full], rtol=1e-4)


def early(model, x):
    """How far the gradient before L_GAN enters is from that of the reconstruction alone."""
    model.done = 0.0
    rec, _, others, _ = slow_terms(model, x)
    found, alone = (arrays(grad(loss, model.autoencoder_parameters()))
                    for loss in (model.loss({"x": x}, rng())["loss"], rec + others))
    return np.abs(found - alone).max() / np.abs(alone).max()


def test_before_it_enters_there_is_the_reconstruction_alone():
    assert early(small(enters=0.1).eval(), images()) < 1e-5
    from_the_start = small(enters=0.0).eval()
    from_the_start.ramp = lambda: from_the_start.weight
    assert early(from_the_start, images()) > 1e-3


def adversarial(steps, enters, hook):
    """Runs of both stages; hook(model, terms) after every step of the second."""
    model = small(enters=enters)
    optimizers = {"D": adam(5e-3, betas=(0.5, 0.9)), "autoencoder": adam(2e-3)}
    plan = Plan(model, [Stage("pixels", model.lone_player, adam(5e-3), 30, 20),
                        Stage("adversarial", model.players, optimizers, steps, 20)])
    run = Run(plan, data.load("digits"), rng=rng())
    model.train()
    while not run.over:
        terms = run.advance()
        if run.number == 1:
            hook(model, terms)
    return model


def hinge_when_it_enters(enters):
    """D's loss when L_GAN has a weight for the first time: 2 if D knows nothing yet."""
    found = []
    adversarial(40, enters, lambda model, terms: terms["autoencoder: w lambda"] and found.append(terms["D: hinge"]))
    return found[0]


def test_D_knows_its_trade_when_its_loss_enters():
    assert hinge_when_it_enters(0.5) < 1.2
    assert hinge_when_it_enters(0.0) > 1.6  # as others did: D's first step is the first that the decoder follows


def test_D_is_trained_in_the_second_stage_only_and_before_its_loss_enters():
    moved = []

    def note(model, terms):
        moved.append((terms["autoencoder: w lambda"], model.discriminator.net[0].weight.numpy().copy()))

    model = adversarial(10, 0.5, note)
    fresh = PatchDiscriminator(DIGITS.shape, width=4, halvings=1, norm=None, rng=rng(3)).net[0].weight.numpy()
    assert [weight > 0 for weight, _ in moved] == [False] * 6 + [True] * 4
    assert np.abs(moved[0][1] - fresh).max() == pytest.approx(5e-3, rel=0.1)  # one step of Adam
    assert np.abs(moved[5][1] - fresh).max() > 1e-2 and model.done == 0.9


# Who moves what, and what they see


def test_each_player_moves_its_own():
    model = small(Codebook, norm=None)
    D, autoencoder = model.players()
    (alone,) = model.lone_player()
    names = {id(p): name for name, p in model.named_parameters()}
    of = lambda player: {names[id(p)] for p in player.params}
    assert of(D) == {name for name in names.values() if name.startswith("discriminator")}
    assert of(autoencoder) == of(alone) == set(names.values()) - of(D) and "codebook.embedding" in of(alone)
    assert not any("classifier" in name or "see" in name for name in model.state_dict())
    for p in model.parameters():  # no branch is 0 any more, and some logits are beyond the margin
        p.assign(p.data + 0.3 * rng(p.size).standard_normal(p.shape, dtype=np.float32))
    for player in (D, autoencoder):
        gradients = grad(next(iter(player.loss({"x": images()}, rng()).values())), player.params)
        assert all(np.any(g.numpy() != 0) for g in gradients)


def test_the_discriminators_loss_is_the_hinge_of_images_and_reconstructions():
    model, x = small().eval(), images()
    with no_grad():
        a = model.discriminator(model.standard(x)).numpy()
        x_hat = np.float32((model.reconstruct(x) - model.mean.item()) / model.std.item())  # cut off at 0 and 1
        raw = model.decoder(model.codebook.lookup(asarray(model.encode(x)[:, 0]))).numpy()
        b = model.discriminator(asarray(raw)).numpy()
    np.testing.assert_allclose(np.clip(raw, x_hat.min(), x_hat.max()), x_hat, atol=1e-4)
    terms = model.discriminator_loss({"x": x}, rng())
    assert terms["hinge"].item() == pytest.approx((np.maximum(0, 1 - a) + np.maximum(0, 1 + b)).mean(), rel=1e-4)
    assert grad(terms["hinge"], [model.encoder.layers[0].weight, *model.discriminator.parameters()],
                allow_unused=True)[0] is None


class ShowsItStandardized(VQGAN):
    def unit(self, x):
        return x


def shown_to_the_classifier(model, x):
    """The images that the classifier gets to see in a loss."""
    shown, see = [], model.see.directions
    model.see.directions = lambda images: shown.append(to_numpy(getattr(images, "data", images))) or see(images)
    model.loss({"x": x}, rng())
    return shown


def test_the_classifier_sees_images_as_it_was_trained_on_them():
    """Those of mean 0 and variance 1, which D sees, are something else to it."""
    x = images()
    seen, _ = shown_to_the_classifier(small().eval(), x)
    np.testing.assert_allclose(seen, x / 16, atol=1e-5)
    seen, _ = shown_to_the_classifier(small(model=ShowsItStandardized).eval(), x)
    assert np.abs(seen - x / 16).max() > 0.5


class StopsAtTheCodes(VQGAN):
    """The gradient of L_GAN ends at z_q."""

    def forth_and_back(self, batch, rng):
        x = self.standard(batch["x"])
        z_q, _, terms = self.codebook(self.encoder(x), rng)
        return x, self.decoder(z_q.detach()), terms


def straight_through_holds(model, x):
    """Without commitment, the encoder's gradient is what z_q gets, handed to z_e as it is."""
    z = model.encoder(model.standard(x))
    z_q = parameter(model.codebook.lookup(model.codebook.encode(z.data)).data)
    x_hat = model.decoder(z_q)
    rec = abs(model.standard(x) - x_hat).mean() + model.perceptual * model.see(
        model.unit(model.standard(x)), model.unit(x_hat)).mean()
    factor = model.weight * slow_lambda(model, x, model.last_layer())
    g = grad(rec - factor * model.discriminator(x_hat).mean(), z_q)
    expected = arrays(grad(z, model.encoder.parameters(), grad_outputs=g))
    loss = model.loss({"x": x}, rng())["loss"]
    found = [p if p is not None else 0 * q for p, q in zip(
        grad(loss, model.encoder.parameters(), allow_unused=True), model.encoder.parameters())]
    return np.allclose(arrays(found), expected, atol=1e-4 * np.abs(expected).max())


def test_the_encoder_learns_from_both_terms_straight_through():
    assert straight_through_holds(small(beta=0, most=1e9).eval(), images())
    assert not straight_through_holds(small(beta=0, most=1e9, model=StopsAtTheCodes).eval(), images())


def test_looking_leaves_the_model_as_it_is():
    model, x = small(), images()
    before = model.state_dict()
    model.measure({"x": x}, rng())
    model.reconstruct(x)
    model.sample(3, rng())
    model.eval()
    for loss in (model.loss, model.pixel_loss, model.discriminator_loss):
        loss({"x": x}, rng())
    assert all(a.tobytes() == before[name].tobytes() for name, a in model.state_dict().items())


def test_measures():
    model, x = small().eval(), images(60)
    measures = {measure.name: measure for measure in model.measure({"x": x}, rng())}
    assert list(measures) == ["MSE", "L1", "gradient energy", "perceptual distance", "used codes", "perplexity"]
    u, x_hat = np.float32(x) / 16, model.reconstruct(x)
    assert measures["L1"].value == pytest.approx(np.abs(u - x_hat).mean(), rel=1e-4)
    assert measures["gradient energy"].value == pytest.approx(gradient_energy(x_hat).sum() / gradient_energy(u).sum())
    d = model.see(asarray(u), asarray(x_hat)).numpy()
    assert measures["perceptual distance"].value == pytest.approx(d.mean(), rel=1e-4)
    assert all(measures[name].half_width > 0 for name in list(measures)[:4])


def test_a_prior_draws_its_codes():
    part = Frozen(small())
    digits = data.load("digits").first(50)
    plan = find("vqgan_transformer").plan(digits, rng(), autoencoder=part)
    assert isinstance(plan.model, CodePrior) and plan.model.prior.space == part.codes == Space((1, 4, 4), 8)
    stage = dataclasses.replace(plan.stages[0], steps=2, batch_size=10)
    run = train(Run(Plan(plan.model, [stage]), digits, rng=rng()))
    with run.evaluating():
        codes = plan.model.prior.draw(6, rng(1))
        np.testing.assert_array_equal(plan.model.sample(6, rng(1)), part.decode(codes))


@pytest.mark.parametrize("change, message", [
    ({"discriminator": PatchDiscriminator((1, 9, 9), 4, 1, rng=rng())}, r"takes images of shape \(1, 9, 9\)"),
    ({"classifier": CNN(DIGITS, rng=rng())}, r"classifier is a CNN, .* pass Frozen\(classifier\)"),
    ({"classifier": Frozen(CNN(Space((3, 8, 8), 17), rng=rng()))}, r"classifier was trained on .*\(3, 8, 8\)"),
    ({"space": Space((2,))}, r"is for images .* shape \(2,\), levels None"),
    ({"weight": -1.0}, "weight -1.0.*expected perceptual, weight >= 0"),
    ({"most": 0.0}, "most 0.0.*most > 0"),
    ({"enters": 1.5}, "enters 1.5; expected .* from 0 to 1"),
])
def test_bad_input(change, message):
    settings = {"space": DIGITS, "codebook": EMACodebook(8, 4, rng=rng()),
                "discriminator": PatchDiscriminator(DIGITS.shape, 4, 1, rng=rng()),
                "classifier": Frozen(CNN(DIGITS, widths=(4,), rng=rng()))}
    with pytest.raises(ValueError, match=message):
        VQGAN(**{**settings, **change}, width=8, halvings=1, rng=rng())
