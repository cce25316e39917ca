"""Upsamplers and cascades: with the exact denoiser of a Gaussian of four pixels, whose mean is the small image, what is
drawn has that Gaussian's covariance, whatever the noise in the small image; not so where the network is not told of it,
or is not what it is told."""
import numpy as np
import pytest

from autograd import Tensor, backend
from autograd.backend import asarray, normal, to_numpy
from minigen.data import Space
from minigen.diffusion import Classes, ancestral_tilde, classifier_free, cosine_schedule, dynamically_clipped
from minigen.models.diffusion import Cascade, ClassifierFree, Small, SuperResolution, SuperResolutionUNet
from minigen.models.diffusion.cascade import halved, halved_space
from minigen.models.diffusion.super_resolution import DETAIL, enlarged, half
from minigen.nn import Frozen, Module, UNet

FOUR, CLASSES, SCHEDULE = Space((1, 2, 2), 17), Space((), 3), cosine_schedule(100)
TOLD = Classes(CLASSES)
h = np.full(4, 0.25)  # the small image is the mean of the pixels
C = 0.3 * np.eye(4) + 0.5 * np.outer([1, 0.8, 1.2, 0.6], [1, 0.8, 1.2, 0.6])
N = 8000


class Exact(Module):
    """What x_0 is expected to be given x_t and z_s, for x ~ N(0, C): all is Gaussian. Sees 2 x 2 pixels, all of them
    z_s. As F: less what is expected without a network, in units of its error."""

    known = SuperResolution(None, SCHEDULE, FOUR, TOLD)

    def forward(self, x_t, t, low, level, condition=None, dropped=None):
        x_t = to_numpy(getattr(x_t, "data", x_t))
        expected, error = self.known.without_network(x_t, SCHEDULE.level(t), low, level)
        t, s = SCHEDULE.level(int(t[0])), SCHEDULE.level(int(level[0]))
        precision = np.linalg.inv(C) + t.a**2 / t.s**2 * np.eye(4) + s.a**2 / s.s**2 * np.outer(h, h)
        x_t, z_s = x_t.reshape(-1, 4), to_numpy(low)[:, 0, 0, :1]
        x_0 = (t.a / t.s**2 * x_t + s.a / s.s**2 * z_s * h) @ np.linalg.inv(precision)
        return Tensor(asarray((x_0.reshape(expected.shape) - expected) / error))


class Untold(Exact):
    """Thinks that the small image is clean."""

    def forward(self, x_t, t, low, level, **rest):
        return super().forward(x_t, t, low, np.ones_like(level), **rest)


class CleanInDrawing(SuperResolution):
    """Tells the network of noise that is not there."""

    def seen(self, z_0, s, rng):
        return enlarged(np.float64(SCHEDULE.level(s).a[:, None, None, None]) * z_0, self.space.shape[1:])


class Base(Module):
    """Draws the mean of N(0, C), with an error of this variance."""

    space, labels = Space((1, 1, 1), 65), CLASSES

    def __init__(self, error=0.0):
        self.error = error

    def draw(self, y, w, rng):
        return np.sqrt(h @ C @ h + self.error) * normal(rng, (len(y), 1, 1, 1), np.float64)


def drawn(augmentation, network=Exact, model=SuperResolution, error=0.0):
    """Images of a cascade of two parts, as rows (N, 4)."""
    upsampler = model(network(), SCHEDULE, FOUR, TOLD, augmentation=augmentation, steps=60, limit=lambda d: d)
    return Cascade(Frozen(Base(error)), [Frozen(upsampler)]).draw(np.zeros(N, int), 0.0, backend.rng(0)).reshape(N, 4)


def off(x):
    """How far the covariance is from C, in the size of C."""
    return np.abs(np.cov(to_numpy(x), rowvar=False) - C).max() / C.max()


@pytest.mark.parametrize("augmentation", [1, 20, 50])
def test_a_cascade_of_exact_parts_is_exact_whatever_the_noise(augmentation):
    assert off(drawn(augmentation)) < 0.1


def test_a_level_that_is_not_told_and_noise_that_is_not_there_are_noticed():
    """The first takes noise for signal, and is too wide; the second makes little of the small image's extremes."""
    assert off(drawn(50, network=Untold)) > 0.3
    assert off(drawn(50, model=CleanInDrawing)) > 0.15


def test_noise_hides_what_the_base_did_wrong():
    """Of a base that is too wide, less is left the more noise there is: that is what it is for."""
    errors = [off(drawn(s, error=0.6)) for s in (1, 30, 50)]
    assert errors[0] > 1.2 * errors[1] > 1.2 * errors[2], errors


@pytest.mark.parametrize("t, s", [(2, 1), (2, 50), (40, 20), (99, 1), (99, 50)])
def test_without_a_network_it_is_bayes_rule_with_noise_for_details(t, s):
    """Mean and deviation of x_0 ~ N(low / a_s, (b_s / a_s)^2 + DETAIL^2) given x_t, summed up over a grid."""
    low, x_t, grid = 0.3, -0.2, np.linspace(-6, 6, 200_001)
    level, noise = SCHEDULE.level(t), SCHEDULE.level(s)
    width2 = (noise.s / noise.a) ** 2 + DETAIL**2
    log_p = -((grid - low / noise.a) ** 2) / width2 / 2 - (x_t - level.a * grid) ** 2 / level.s**2 / 2
    p = np.exp(log_p - log_p.max())
    mean = (p * grid).sum() / p.sum()
    deviation = np.sqrt((p * (grid - mean) ** 2).sum() / p.sum())
    expected, error = SuperResolution(None, SCHEDULE, FOUR, TOLD).without_network(
        np.full((3, 1, 2, 2), x_t), level, np.full((3, 1, 2, 2), low), np.full(3, s))
    np.testing.assert_allclose(to_numpy(expected), mean, rtol=1e-4)
    np.testing.assert_allclose(to_numpy(error), deviation, rtol=1e-4)


# Training


class Recorder(Module):
    """Says nothing, and notes what it is told."""

    def __init__(self, says=0.0):
        self.calls, self.says = [], says

    def forward(self, x_t, t, **told):
        self.calls.append(told)
        return x_t * 0.0 + self.says


class KnowsGray(Module):
    """F of data that are the gray 0.5, with an error."""

    def __init__(self, error):
        self.error = error

    def forward(self, x_t, t, low, level, condition, dropped):
        expected, width = SuperResolution(None, SCHEDULE, FOUR, TOLD).without_network(
            to_numpy(x_t.data), SCHEDULE.level(t), to_numpy(low), level)
        return Tensor(asarray((0.5 - expected) / width + self.error, np.float32))


@pytest.mark.parametrize("error", [0.0, 0.3])
def test_the_loss_is_the_squared_error_of_F(error):
    """0 for who knows the image, in units of what is missing without a network."""
    batch = {"x": np.full((200, 1, 2, 2), 12, np.uint8), "y": np.zeros(200, int)}
    model = SuperResolution(KnowsGray(error), SCHEDULE, FOUR, TOLD)
    assert model.loss(batch, backend.rng(1))["L_F"].item() == pytest.approx(error**2, abs=1e-3)


class OnCleanOnes(SuperResolution):
    def seen(self, z_0, s, rng):
        return enlarged(z_0, self.space.shape[1:])


class OneForTheBatch(SuperResolution):
    def seen(self, z_0, s, rng):
        s[:] = s[0]
        return super().seen(z_0, s, rng)


class OtherThanItIsTold(SuperResolution):
    def seen(self, z_0, s, rng):
        return super().seen(z_0, rng.permutation(s), rng)


class DroppedTogether(SuperResolution):
    def loss(self, batch, rng):
        before = rng.random

        class Once:
            integers, standard_normal, permutation, bit_generator = (rng.integers, rng.standard_normal, rng.permutation,
                                                                     rng.bit_generator)
            random = staticmethod(lambda n: np.full(n, before()))

        return super().loss(batch, Once)


def check_training(model):
    """Of a thousand images, z has as much noise as the network is told, each its own; a share is told no class."""
    rng, network = backend.rng(1), Recorder()
    x = rng.integers(0, 17, (1000, 1, 2, 2)).astype(np.uint8)
    upsampler = model(network, SCHEDULE, FOUR, TOLD, p_uncond=0.2)
    upsampler.loss({"x": x, "y": rng.integers(0, 3, 1000)}, rng)
    told = network.calls[0]
    low, s = to_numpy(told["low"])[:, 0], told["level"]
    assert np.ptp(low, axis=(1, 2)).max() < 1e-6  # of one pixel: all the same
    assert len(np.unique(s)) > 40, "each image has a level of its own"
    assert 1 <= s.min() and s.max() <= upsampler.most == 50
    level = SCHEDULE.level(s)
    noise = (low[:, 0, 0] - level.a * to_numpy(half(FOUR.signed(x)))[:, 0, 0, 0]) / level.s
    for part in (s < 15, s > 35):
        assert abs(noise[part].std() - 1) < 0.15, "as much noise as is told"
    assert 0.1 < told["dropped"].mean() < 0.3, "each image is dropped on its own"


def test_small_images_have_the_noise_that_the_network_is_told():
    check_training(SuperResolution)


@pytest.mark.parametrize("broken, noticed", [(OnCleanOnes, "as much noise"), (OneForTheBatch, "level of its own"),
                                             (OtherThanItIsTold, "as much noise"), (DroppedTogether, "dropped")])
def test_broken_augmentation_is_noticed(broken, noticed):
    with pytest.raises(AssertionError, match=noticed):
        check_training(broken)


# Drawing


def test_drawing_has_one_level_and_one_draw_of_its_noise():
    """The same s and the same noisy z in every step and for every image; the class that was asked for."""
    network = Recorder()
    model = SuperResolution(network, SCHEDULE, FOUR, TOLD, augmentation=7, steps=5)
    y = np.array([0, 2, 2])
    model.draw(np.zeros((3, 1, 1, 1), np.float32), y, 0, backend.rng(0))
    assert len(network.calls) == 5
    for told in network.calls:
        assert told["level"].tolist() == [7, 7, 7] and told["condition"].numpy().argmax(axis=1).tolist() == y.tolist()
        np.testing.assert_array_equal(to_numpy(told["low"]), to_numpy(network.calls[0]["low"]))
    assert np.ptp(to_numpy(network.calls[0]["low"])[:, 0, 0, 0]) > 0.01  # noise of each image's own


class Far(Module):
    """Told a class, it says what takes x_0 far out."""

    def forward(self, x_t, t, low, level, condition=None, dropped=None):
        return Tensor(0.0 * x_t if condition is None else -20.0 * asarray(low))


def test_guidance_is_thresholded_after_the_two_are_put_together():
    """With the thresholds on each before, w takes x_0 out of [-1, 1] again."""
    x_t, low = (normal(backend.rng(i), (6, 1, 2, 2)) for i in (2, 3))
    model, s, level = SuperResolution(Far(), SCHEDULE, FOUR, TOLD), np.full(6, 10), SCHEDULE.level(60)
    y = np.arange(6) % 3
    guided = to_numpy(model.guided(low, s, y, 3.0)(x_t, level))
    parts = [SuperResolution(Far(), SCHEDULE, FOUR, TOLD, limit=lambda d: d).guided(low, s, told, 0.0)
             for told in (y, None)]
    expected = dynamically_clipped(classifier_free(*parts, 3.0))(x_t, level)
    np.testing.assert_allclose(guided, to_numpy(expected), atol=1e-6)
    too_early = classifier_free(*map(dynamically_clipped, parts), 3.0)(x_t, level)
    assert np.abs(guided).max() <= 1 < np.abs(to_numpy(too_early)).max()
    np.testing.assert_array_equal(to_numpy(model.guided(low, s, y, 0.0)(x_t, level)),
                                  to_numpy(dynamically_clipped(parts[0])(x_t, level)))  # w = 0, bit for bit


def network(seed=0):
    return SuperResolutionUNet(1, width=8, multipliers=(1, 2), blocks=1, groups=4, condition=3, rng=backend.rng(seed))


def filled(module):
    """With the layers that begin as zero filled, so that everything has an effect."""
    rng = backend.rng(1)
    for p in module.parameters():
        if not p.data.any():
            p.data[...] = 0.1 * normal(rng, p.shape)
    return module


def test_the_network_sees_the_small_image_and_is_told_level_time_and_class():
    unet, rng = filled(network()), backend.rng(4)
    told = dict(x_t=normal(rng, (2, 1, 4, 4)), t=np.array([3, 9]), low=normal(rng, (2, 1, 4, 4)),
                level=np.array([5, 5]), condition=Tensor(np.eye(3, dtype=np.float32)[:2]))
    said = unet(**told).numpy()
    for name, other in (("t", np.array([4, 9])), ("low", told["low"][::-1]), ("level", np.array([6, 5])),
                        ("condition", None)):
        assert np.abs(unet(**{**told, name: other}).numpy()[0] - said[0]).max() > 1e-4, name


# Parts


def test_halved_images_are_exact_sums():
    """On [-1, 1] a halved image is the mean of 2 x 2 pixels, twice halved of 4 x 4, and its levels are as many as sums
    there are."""
    space = Space((3, 8, 8), 32)
    x = backend.rng(5).integers(0, 32, (5, 3, 8, 8)).astype(np.uint8)
    for times in (1, 2):
        small, expected = halved(x, times), space.signed(x)
        for _ in range(times):
            expected = half(expected)
        halved_space(space, times).check(small)
        np.testing.assert_allclose(to_numpy(halved_space(space, times).signed(small)), to_numpy(expected), atol=1e-6)
    assert halved(np.full((1, 1, 4, 4), 255, np.uint8), 2).item() == 16 * 255 == halved_space(
        Space((1, 4, 4), 256), 2).levels - 1


def test_small_shows_a_model_the_images_halved():
    whole = Space((1, 8, 8), 17)
    space = halved_space(whole)
    inner = ClassifierFree(filled(UNet(1, width=8, multipliers=(1,), blocks=1, groups=4, condition=3,
                                       rng=backend.rng(0))), SCHEDULE, space, CLASSES, steps=3)
    model, rng = Small(inner, 1), backend.rng(6)
    batch = {"x": rng.integers(0, 17, (6, 1, 8, 8)).astype(np.uint8), "y": np.arange(6) % 3}
    loss = model.players()[0].loss(batch, backend.rng(0))["L_simple"].item()
    assert loss == inner.loss({**batch, "x": halved(batch["x"])}, backend.rng(0))["L_simple"].item()
    x = model.sample(4, backend.rng(7), y=np.arange(4) % 3)
    assert x.shape == (4, *whole.shape)
    np.testing.assert_array_equal(x[:, :, ::2, ::2], inner.sample(4, backend.rng(7), y=np.arange(4) % 3))
    np.testing.assert_array_equal(x[:, :, ::2], x[:, :, 1::2])


def test_samples_and_measures():
    space = Space((1, 8, 8), 17)
    model = SuperResolution(filled(network()), SCHEDULE, space, TOLD, steps=3, sampler=ancestral_tilde)
    x = backend.rng(8).integers(0, 17, (5, 1, 8, 8)).astype(np.uint8)
    drawn = model.sample(5, backend.rng(9), x)
    assert drawn.shape == x.shape and 0 <= drawn.min() < drawn.max() <= 1
    error, stray = model.measure({"x": x}, backend.rng(9))
    assert "bicubic" in error.detail and error.value == pytest.approx(np.abs(drawn - space.drawn(x)).mean(), abs=1e-6)
    assert stray.value == pytest.approx(np.abs(half(drawn) - half(space.drawn(x))).mean(), abs=1e-6)


def chained(upsampler):
    return Cascade(Frozen(Base()), [Frozen(upsampler)])


@pytest.mark.parametrize("call, message", [
    (lambda: SuperResolution(None, SCHEDULE, Space((1, 7, 8), 17), TOLD), "shape is (1, 7, 8), expected images"),
    (lambda: SuperResolution(None, SCHEDULE, FOUR, TOLD, augmentation=60), "augmentation is 60, most 50, expected"),
    (lambda: SuperResolution(None, SCHEDULE, FOUR, TOLD, p_uncond=1.0), "p_uncond is 1.0, between 0 and 1"),
    (lambda: SuperResolution(None, SCHEDULE, FOUR, TOLD).draw(np.zeros((3, 1, 2, 2)), None, 0, None),
     "small images have shape (3, 1, 2, 2), expected (N, 1, 1, 1), half of (1, 2, 2)"),
    (lambda: chained(SuperResolution(None, SCHEDULE, Space((1, 4, 4), 17), TOLD)),
     "after images of (1, 1, 1) comes an upsampler to (1, 4, 4), expected (1, 2, 2)"),
    (lambda: chained(SuperResolution(Exact(), SCHEDULE, FOUR, TOLD)).sample(2, None, y=[0, 5]),
     "y holds values from 0 to 5, expected 0 to 2"),
    (lambda: halved_space(Space((1, 6, 6), 17), 2), "expected images (C, H, W) that can be halved 2 times"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)
