"""Translators: an image is translated alone as in company, with noise that is always there; the pool of earlier ones."""
import numpy as np
import pytest

from autograd import grad, no_grad, parameter
from autograd.backend import asarray, rng, to_numpy
from minigen.adversarial.objectives import squares_discriminator, squares_generator
from minigen.adversarial.pool import ImagePool
from minigen.adversarial.translators import ResNetTranslator, UNetTranslator
from minigen.nn import BatchNorm2d, GroupNorm, InstanceNorm2d


def images(n, *shape, seed=0):
    return asarray(np.random.default_rng(seed).standard_normal((n, *shape), dtype=np.float32))


def unet(**settings):
    return UNetTranslator((1, 16, 16), (3, 16, 16), width=8, rng=rng(0), **settings)


def test_from_any_channels_to_any_and_every_pixel_may_depend_on_all():
    """What reaches a corner through the innermost map comes from the opposite one."""
    U, R = unet(dropped=0.0), ResNetTranslator(1, 3, width=4, halvings=2, blocks=2, rng=rng(0))
    for call in (lambda x: U(x, rng(1))), R:
        x = parameter(images(2, 1, 16, 16))
        y = call(x)
        assert y.shape == (2, 3, 16, 16) and abs(to_numpy(y.data)).max() <= 1
        g = np.abs(grad(y[0, 0, 0, 0], x).numpy())
        assert g[0, 0, 8:, 8:].max() > 0 and g[1].max() == 0  # and from no other image


def test_the_noise_is_there_in_eval_mode_too():
    """The trap: dropout that goes with the training. The same generator draws the same picture."""
    net, x = unet().eval(), images(2, 1, 16, 16)
    with no_grad():
        a, b, c = (net(x, rng(seed)).numpy() for seed in (1, 2, 1))
    assert np.abs(a - b).max() > 1e-3
    np.testing.assert_array_equal(a, c)


@pytest.mark.parametrize("broken", [False, True])
def test_an_image_is_translated_alone_as_in_company(broken):
    """The trap: statistics of the batch, so that a test picture depends on what else is tested."""
    net, x = unet(dropped=0.0), images(4, 1, 16, 16)
    if broken:
        for part in (*net.down, *net.up):
            if isinstance(getattr(part, "1", None), GroupNorm):
                setattr(part, "1", BatchNorm2d(getattr(part, "1").weight.shape[0]))
    with no_grad():
        together, alone = net(x, rng(0)).numpy(), net(x[:1], rng(0)).numpy()
    assert np.allclose(together[:1], alone, atol=1e-5) != broken


def test_no_map_is_of_one_pixel():
    """The trap: an instance norm there is 0 / 0, and the engine refuses."""
    with pytest.raises(ValueError, match="a channel has a single pixel"):
        InstanceNorm2d(3)(images(2, 3, 1, 1))
    sizes, h = [], images(1, 1, 16, 16)
    for layer in unet().down:
        h = layer(h)
        sizes.append(h.shape[2:])
    assert sizes == [(8, 8), (4, 4), (2, 2)]


@pytest.mark.parametrize("call, message", [
    (lambda: UNetTranslator((1, 12, 12), (3, 12, 12), rng=rng(0)), "whose sides are powers of 2"),
    (lambda: UNetTranslator((1, 8, 8), (3, 16, 16), rng=rng(0)), r"from \(1, 8, 8\) to \(3, 16, 16\)"),
    (lambda: UNetTranslator((1, 16, 16), (3, 16, 16), width=12, rng=rng(0)), "width is 12, expected a multiple of 8"),
    (lambda: ResNetTranslator(1, 1, blocks=0, rng=rng(0)), "blocks 0; expected"),
    (lambda: ImagePool((1, 2, 2), 0), "ImagePool: size is 0"),
])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_pool_shows_half_new_and_half_old_and_loses_none():
    """Images are numbers here. First it only takes; then what it gives away it has had, and keeps what it was given."""
    pool, noise = ImagePool((1,), size=20), rng(0)
    first = to_numpy(pool.exchange(asarray(np.arange(20.0)[:, None]), noise))
    np.testing.assert_array_equal(first[:, 0], np.arange(20))
    given, shown = np.arange(20.0, 1020), []
    for batch in given.reshape(100, 10):
        shown.append(to_numpy(pool.exchange(asarray(batch[:, None]), noise))[:, 0])
    shown = np.concatenate(shown)
    assert 0.42 < (shown != given).mean() < 0.58
    held = to_numpy(pool.images)[:, 0]
    assert sorted([*shown, *held]) == list(range(1020))  # each once: shown, or still held
    copy = ImagePool((1,), size=20)
    copy.load_state_dict(pool.state_dict())
    np.testing.assert_array_equal(to_numpy(copy.images), to_numpy(pool.images))
    assert int(copy.filled) == 20


def test_the_best_answer_to_least_squares_is_the_share_of_data():
    """Over points with probabilities p of data and q of samples: a* = p / (p + q), where the slope is 0, 1/4 at p = q;
    and G's slope does not end where D is sure."""
    p, q = np.array([0.6, 0.1, 0.3]), np.array([0.2, 0.5, 0.3])
    a = p / (p + q)
    loss = lambda a: sum(p[k] * squares_discriminator(parameter([a[k]]), parameter([0.0])).item()
                         + q[k] * squares_discriminator(parameter([1.0]), parameter([a[k]])).item() for k in range(3))
    assert all(loss(a) < loss(a + d) for d in 0.01 * np.array([[1, 0, 0], [0, -1, 0], [0, 0, 1], [-1, 1, 1]]))
    half = parameter([0.5, 0.5])
    assert squares_discriminator(half, half).item() == pytest.approx(0.25)
    sure = parameter([-3.0])
    assert grad(squares_generator(sure), sure).item() == pytest.approx(-4)
