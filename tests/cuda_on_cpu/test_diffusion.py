"""diffusion.cu against fused.py, on sizes that do not divide by four; and both against what they are defined by."""
import numpy as np
import pytest

from autograd import gpu
from minigen.diffusion import cosine_schedule, linear_schedule, samplers
from minigen.diffusion.captured import fused, philox
from minigen.diffusion.predict import PREDICTIONS

SEED = 0x123456789ABCDEF  # both halves in use


def test_philox_known_answers():
    """Of Random123, the authors' own code."""
    ones = 0xFFFFFFFF
    for counter, key, answer in [
        ((0,) * 4, (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ones,) * 4, (ones, ones), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0),
         (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
    ]:
        np.testing.assert_array_equal(philox.philox(counter, key), answer)


def test_normals_are_normal_and_independent():
    z = philox.normals(SEED, 3, (40_000,), np.float64)
    n = len(z)
    for power, moment, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:  # of N(0, 1)
        assert abs((z**power).mean() - moment) < 5 * np.sqrt(variance / n)
    other_step, other_seed = philox.normals(SEED, 4, (n,)), philox.normals(SEED + 1, 3, (n,))
    for other in (other_step, other_seed, np.roll(z, 1), np.roll(z, 2)):
        assert abs((z * other).mean()) < 5 / np.sqrt(n)
    np.testing.assert_array_equal(philox.normals(SEED, 3, (10, 7), np.float64), z[:70].reshape(10, 7))
    np.testing.assert_allclose(philox.normals(SEED, 3, (n,)), z, atol=2e-6)


def test_times_are_uniform():
    t = philox.times(SEED, 0, 20_000, 7)
    counts = np.bincount(t, minlength=8)
    assert counts[0] == 0 and len(counts) == 8
    assert (np.abs(counts[1:] - 20_000 / 7) < 5 * np.sqrt(20_000 / 7)).all()


@pytest.mark.usefixtures("on_cpu")
class TestKernels:
    # log, sin and cos of two libraries, sums of few terms: a few roundings of numbers up to 6
    tolerance = {np.float32: 3e-6, np.float64: 1e-14}

    @pytest.fixture(params=[np.float32, np.float64])
    def dtype(self, request):
        return request.param

    def both(self, name, *arguments, **keywords):
        return [f(*arguments, **keywords) for f in (getattr(gpu.diffusion, name), getattr(fused, f"_{name}"))]

    def test_times(self):
        np.testing.assert_array_equal(*self.both("draw_times", SEED, np.array([5], np.int32), 300, 1000))

    def test_q_sample(self, dtype):
        x_0 = np.random.default_rng(0).standard_normal((3, 2, 5, 7)).astype(dtype)
        a, s = fused.signal_table(linear_schedule(50), dtype)
        t, step = np.array([1, 50, 20], np.int32), np.array([9], np.int32)
        kernel, twin = self.both("q_sample", x_0, t, a, s, SEED, step)
        np.testing.assert_allclose(kernel, twin, atol=self.tolerance[dtype])
        by_schedule = linear_schedule(50).q_sample(x_0, t, philox.normals(SEED, 9, x_0.shape, x_0.dtype))
        np.testing.assert_allclose(kernel, by_schedule, atol=self.tolerance[dtype])

    def test_loss_and_gradient(self, dtype):
        eps_hat, step = np.random.default_rng(0).standard_normal((5, 3, 11, 13)).astype(dtype), np.array([2], np.int32)
        (loss, gradient), (expected, expected_gradient) = self.both("noise_loss", eps_hat, SEED, step)
        np.testing.assert_allclose(loss, expected, rtol=1e-5)
        np.testing.assert_allclose(gradient, expected_gradient, atol=self.tolerance[dtype] / eps_hat.size)
        assert gradient.shape == eps_hat.shape
        u, h = np.random.default_rng(1).standard_normal(eps_hat.shape), 1e-3  # a central difference of the loss
        up, down = (fused._noise_loss(eps_hat + e * u, SEED, step)[0] for e in (h, -h))
        np.testing.assert_allclose((gradient * u).sum(), (up - down) / (2 * h), rtol=1e-3)

    def test_normals(self, dtype):
        x = np.zeros((3, 7), dtype)
        gpu.diffusion.draw_normal(x, SEED, np.array([4], np.int32))
        np.testing.assert_allclose(x, philox.normals(SEED, 4, x.shape, dtype), atol=self.tolerance[dtype])

    @pytest.mark.parametrize("guided", [False, True])
    def test_reverse_step(self, dtype, guided):
        rng = np.random.default_rng(0)
        x_t, conditional, unconditional = (rng.standard_normal((2, 3, 5, 3)).astype(dtype) for _ in range(3))
        _, table = fused.reverse_table(linear_schedule(50).levels(5), samplers.move_ancestral, dtype=dtype)
        for row in (0, 2, 4):
            kernel, twin = self.both("reverse_step", x_t, conditional, unconditional if guided else None, table,
                                     np.array([row], np.int32), SEED, np.array([7], np.int32), w=1.5)
            np.testing.assert_allclose(kernel, twin, atol=self.tolerance[dtype] * 4)

    def test_in_place_and_counters(self):
        x_t, q = np.random.default_rng(0).standard_normal((2, 3, 37), np.float32)
        times, table = fused.reverse_table(cosine_schedule(20).levels(4), samplers.move_ddim(0.5))
        row, t = np.array([1], np.int32), np.zeros(3, np.int32)
        step = np.array([6], np.int32)
        expected = fused._reverse_step(x_t, q, None, table, row, SEED, step)
        assert gpu.diffusion.reverse_step(x_t, q, None, table, row, SEED, step, out=x_t) is x_t
        np.testing.assert_allclose(x_t, expected, atol=1e-5)
        gpu.diffusion.advance(row)
        gpu.diffusion.set_times(t, times, row)
        assert row[0] == 2 and (t == times[2]).all()


@pytest.mark.parametrize("kind", ["x0", "eps", "v", "score"])
@pytest.mark.parametrize("move", [samplers.move_ancestral, samplers.move_ancestral_tilde, samplers.move_ddim(0.3)])
def test_a_row_of_five_numbers_is_a_step_of_the_sampler(kind, move):
    levels = linear_schedule(30).levels(6)
    x_t, q = np.random.default_rng(0).standard_normal((2, 4, 6))
    times, table = fused.reverse_table(levels, move, kind, dtype=np.float64)
    for i, (t, s) in enumerate(zip(levels, levels[1:])):
        x_0 = np.clip(PREDICTIONS[kind].x_0(q, x_t, t.a, t.s), -1, 1)
        k_0, k_t, sigma = move(t, s)
        expected = k_0 * x_0 + k_t * x_t + sigma * philox.normals(SEED, 8, x_t.shape, x_t.dtype)
        actual = fused.reverse_step(x_t, q, None, table, np.array([i], np.int32), SEED, np.array([8]))
        np.testing.assert_allclose(actual, expected, atol=1e-12)
    assert times.tolist() == [level.t for level in levels[:-1]]


def test_no_guidance_changes_nothing():
    x_t, q, other = np.random.default_rng(0).standard_normal((3, 4, 6), np.float32)
    _, table = fused.reverse_table(linear_schedule(30).levels(), samplers.move_ancestral)
    row = np.array([3], np.int32)
    np.testing.assert_array_equal(fused.reverse_step(x_t, q, other, table, row, SEED, row, w=0.0),
                                  fused.reverse_step(x_t, q, None, table, row, SEED, row))
