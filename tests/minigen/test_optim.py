"""Update rules against transcriptions of the papers, against facts, and against torch.optim; schedules."""
import itertools
import math
import tracemalloc

import numpy as np
import pytest

from autograd import Tensor, parameter
from autograd.backend import asarray
from minigen import optim
from minigen.optim import SGD, Adam, AdamW, clip_factor

SHAPES = [(3, 4), (), (300, 301), (50_000,), (2, 3, 5), (0, 4)]  # the third and fourth take several blocks

RULES = {  # name -> (class, its arguments, the same for torch.optim)
    "sgd": (SGD, dict(lr=0.1), ("SGD", dict(lr=0.1))),
    "decay": (SGD, dict(lr=0.1, weight_decay=0.3), ("SGD", dict(lr=0.1, weight_decay=0.3))),
    "momentum": (SGD, dict(lr=0.1, momentum=0.9, weight_decay=0.1),
                 ("SGD", dict(lr=0.1, momentum=0.9, weight_decay=0.1))),
    "nesterov": (SGD, dict(lr=0.1, momentum=0.9, nesterov=True),
                 ("SGD", dict(lr=0.1, momentum=0.9, nesterov=True))),
    "adam": (Adam, dict(lr=0.1), ("Adam", dict(lr=0.1))),
    "adam of a GAN": (Adam, dict(lr=0.1, betas=(0.5, 0.9), eps=1e-3),
                      ("Adam", dict(lr=0.1, betas=(0.5, 0.9), eps=1e-3))),
    "adamw": (AdamW, dict(lr=0.1, weight_decay=0.3), ("AdamW", dict(lr=0.1, weight_decay=0.3))),
}


def transcription(theta, gradients, kind, lr, momentum=0.0, nesterov=False, weight_decay=0.0,
                  betas=(0.9, 0.999), eps=1e-8):
    """The rules as the papers print them, in float64 and without blocks, for one parameter."""
    theta, b, m, v = theta.astype(np.float64), 0.0, 0.0, 0.0
    for t, g in enumerate(gradients, start=1):
        g = g.astype(np.float64)
        if kind is SGD:
            g = g + weight_decay * theta
            b = momentum * b + g
            theta = theta - lr * (g + momentum * b if nesterov else b)
        else:
            m = betas[0] * m + (1 - betas[0]) * g
            v = betas[1] * v + (1 - betas[1]) * g**2
            m_hat, v_hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
            theta = theta - lr * (m_hat / (np.sqrt(v_hat) + eps) + weight_decay * theta)
    return theta


def draw(rng, shape):
    return rng.standard_normal(shape).astype(np.float32)


def draw_gradients(rng, steps):
    """Gradients per step and parameter; some of them transposed views, as a matrix product returns them."""
    gradients = [[draw(rng, shape) for shape in SHAPES] for _ in range(steps)]
    for step in gradients[::2]:
        step[2] = np.asfortranarray(step[2])
    return gradients


@pytest.mark.parametrize("name", RULES)
def test_rules_against_their_transcription(name):
    kind, arguments, _ = RULES[name]
    rng = np.random.default_rng(0)
    start = [draw(rng, shape) for shape in SHAPES]
    gradients = draw_gradients(rng, steps=20)
    params = [parameter(theta) for theta in start]
    arrays = [p.data for p in params]
    copies = [[g.copy() for g in step] for step in gradients]
    optimizer = kind(params, **arguments)
    for i, step in enumerate(gradients):
        optimizer.step([Tensor(g) if i % 2 else asarray(g) for g in step])  # Tensors and arrays alike
    assert optimizer.steps == 20
    for i, theta in enumerate(start):
        expected = transcription(theta, [step[i] for step in gradients], kind, **arguments)
        np.testing.assert_allclose(params[i].numpy(), expected, rtol=1e-5, atol=2e-6)
        assert params[i].data is arrays[i] and params[i].dtype == np.float32  # in place
    for g, copy in zip(itertools.chain(*gradients), itertools.chain(*copies)):
        np.testing.assert_array_equal(g, copy)  # a gradient is never written to


@pytest.mark.parametrize("name", RULES)
def test_rules_agree_with_torch(name):
    torch = pytest.importorskip("torch")
    kind, arguments, (their_name, their_arguments) = RULES[name]
    rng = np.random.default_rng(1)
    start = [draw(rng, shape) for shape in [(30, 40), (), (7,)]]
    ours = [parameter(theta) for theta in start]
    theirs = [torch.nn.Parameter(torch.from_numpy(theta.copy())) for theta in start]
    optimizer, oracle = kind(ours, **arguments), getattr(torch.optim, their_name)(theirs, **their_arguments)
    for _ in range(20):
        step = [draw(rng, theta.shape) for theta in start]
        optimizer.step([Tensor(g) for g in step])
        for q, g in zip(theirs, step):
            q.grad = torch.from_numpy(g.copy())
        oracle.step()
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=2e-6, atol=1e-6)


# Facts that need no second implementation


@pytest.mark.parametrize("kind", [Adam, AdamW])
def test_the_first_step_of_adam_is_lr_times_the_sign(kind):
    p = parameter(np.zeros(4, np.float32))
    kind([p], lr=0.01).step([Tensor([1e-3, -1e3, 5.0, -1e-5])])
    np.testing.assert_allclose(p.numpy(), [-0.01, 0.01, -0.01, 0.01], rtol=2e-3)  # eps: 0.1 % of the last


def test_momentum_reaches_the_geometric_sum():
    p = parameter(np.zeros(1, np.float32))
    optimizer = SGD([p], lr=1.0, momentum=0.5)
    for _ in range(40):
        before = p.item()
        optimizer.step([Tensor([1.0])])
    assert p.item() - before == pytest.approx(-2.0)  # 1 + 1/2 + 1/4 + ...


def test_adamw_without_gradients_decays_geometrically():
    p = parameter(np.full(3, 2.0, np.float32))
    optimizer = AdamW([p], lr=0.1, weight_decay=0.5)
    for _ in range(10):
        optimizer.step([Tensor([0.0, 0.0, 0.0])])
    np.testing.assert_allclose(p.numpy(), 2.0 * 0.95**10, rtol=1e-6)


@pytest.mark.parametrize("name", ["sgd", "decay", "momentum", "nesterov", "adam", "adam of a GAN"])
def test_the_minimum_of_a_quadratic_is_found(name):
    kind, arguments, _ = RULES[name]
    target = Tensor([0.5, -0.25])
    p = parameter(np.zeros(2, np.float32))
    optimizer = kind([p], **{**arguments, "lr": optim.cosine_decay(0.1)})
    for step in range(300):
        optimizer.step([p - target], done=step / 300)
    shrinkage = 1 + arguments.get("weight_decay", 0.0)  # where |theta - target|^2 + decay |theta|^2 is least
    np.testing.assert_allclose(p.numpy(), target.numpy() / shrinkage, atol=2e-3)


@pytest.mark.parametrize("scale", [0.25, 2.0])
@pytest.mark.parametrize("name", RULES)
def test_scale_multiplies_the_gradients(name, scale):
    kind, arguments, _ = RULES[name]
    rng = np.random.default_rng(2)
    start, gradients = draw(rng, (200, 300)), [draw(rng, (200, 300)) for _ in range(3)]
    scaled, plain = parameter(start), parameter(start)
    ours, expected = kind([scaled], **arguments), kind([plain], **arguments)
    for g in gradients:
        ours.step([Tensor(g)], scale=scale)
        expected.step([Tensor(scale * g)])
    np.testing.assert_array_equal(scaled.numpy(), plain.numpy())


@pytest.mark.parametrize("name", RULES)
def test_a_restored_optimizer_continues_bit_for_bit(name):
    kind, arguments, _ = RULES[name]
    arguments = {**arguments, "lr": optim.cosine_decay(0.1)}
    rng = np.random.default_rng(3)
    params = [parameter(draw(rng, shape)) for shape in SHAPES]
    optimizer = kind(params, **arguments)
    gradients = [[Tensor(g) for g in step] for step in draw_gradients(rng, steps=8)]
    for i, step in enumerate(gradients[:4]):
        optimizer.step(step, done=i / 8)
    state, weights = optimizer.state_dict(), [p.numpy().copy() for p in params]
    assert all(type(array) is np.ndarray for array in state.values())
    for i, step in enumerate(gradients[4:], 4):
        optimizer.step(step, done=i / 8)

    again = [parameter(w) for w in weights]
    restored = kind(again, **arguments)
    restored.load_state_dict(state)
    assert restored.steps == 4  # the state was a copy: the steps after it left it alone
    for i, step in enumerate(gradients[4:], 4):
        restored.step(step, done=i / 8)
    for p, q in zip(params, again):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_a_numpy_number_for_lr_does_not_change_the_arithmetic():
    rng = np.random.default_rng(4)
    start, g = draw(rng, (1000,)), Tensor(draw(rng, (1000,)))
    params = [parameter(start), parameter(start)]
    for p, lr in zip(params, (1e-3, np.float64(1e-3))):
        Adam([p], lr=lambda done, lr=lr: lr).step([g], done=0.0)
    np.testing.assert_array_equal(params[0].numpy(), params[1].numpy())


def test_the_state_of_something_else_is_refused():
    params = [parameter(np.zeros(3, np.float32))]
    with pytest.raises(ValueError, match=r"Adam.load_state_dict: 'v.0' of shape \(3,\) is missing"):
        Adam(params).load_state_dict({"steps": np.array(3), "m.0": np.zeros(3, np.float32)})
    with pytest.raises(ValueError, match="SGD.load_state_dict: 'm.0' .* is unknown"):
        SGD(params, 0.1).load_state_dict(Adam(params).state_dict())


def test_gradients_that_do_not_fit_are_refused():
    optimizer = Adam([parameter(np.zeros(3, np.float32)), parameter(np.zeros((2, 3), np.float32))])
    with pytest.raises(ValueError, match="Adam.step: 1 gradients for 2 parameters"):
        optimizer.step([Tensor(np.zeros(3))])
    with pytest.raises(ValueError, match=r"grads\[1\] has shape \(3, 2\), its parameter has shape \(2, 3\)"):
        optimizer.step([Tensor(np.zeros(3)), Tensor(np.zeros((3, 2)))])
    assert optimizer.steps == 0
    with pytest.raises(ValueError, match="Adam: params is empty"):
        Adam([])
    with pytest.raises(ValueError, match="pass momentum=0.9"):
        SGD(optimizer.params, lr=0.1, nesterov=True)
    with pytest.raises(ValueError, match="Adam: a parameter is in params twice, and would be moved twice a step"):
        Adam([*optimizer.params, optimizer.params[0]])  # as of two overlapping lists


@pytest.mark.cpu  # tracemalloc does not see the memory of a GPU
def test_a_step_needs_no_memory_to_speak_of():
    p, g = parameter(np.zeros((1000, 1000), np.float32)), Tensor(np.ones((1000, 1000), np.float32))
    optimizer = AdamW([p])
    tracemalloc.start()
    optimizer.step([g], scale=0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < p.data.nbytes / 4


@pytest.mark.cpu  # on a GPU, an array is one block
@pytest.mark.parametrize("shape, count", [
    ((), 1), ((0,), 1), ((0, 9), 1), ((7,), 1), ((32_768,), 1), ((32_769,), 2), ((100_001,), 4),
    ((40_000, 3), 4), ((3, 50_000), 3), ((1, 200_000), 1),
])
def test_blocks_cover_an_array_once_with_views(shape, count):
    array = np.zeros(shape)
    for index in optim.blocks(array):
        block = array[index]
        block += 1.0
    assert (array == 1.0).all()
    assert len(optim.blocks(array)) == count


# Clipping


def test_clip_factor():
    rng = np.random.default_rng(4)
    grads = [draw(rng, shape) for shape in SHAPES]
    norm = np.linalg.norm(np.concatenate([g.ravel() for g in grads]))
    assert clip_factor([asarray(g) for g in grads], max_norm=1e6) == (1.0, pytest.approx(norm, rel=1e-5))
    factor, found = clip_factor([Tensor(g) for g in grads], max_norm=2.0)
    assert found == pytest.approx(norm, rel=1e-5)
    assert np.linalg.norm(np.concatenate([factor * g.ravel() for g in grads])) == pytest.approx(2.0, rel=1e-5)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_a_gradient_that_is_not_finite_shows_in_the_norm(bad):
    assert not math.isfinite(clip_factor([Tensor([1.0]), Tensor([1.0, bad])], max_norm=1.0)[1])


def test_clip_factor_agrees_with_torch():
    torch = pytest.importorskip("torch")
    grads = [draw(np.random.default_rng(5), shape) for shape in SHAPES]
    params = [torch.nn.Parameter(torch.zeros(g.shape)) for g in grads]
    for p, g in zip(params, grads):
        p.grad = torch.from_numpy(g.copy())
    expected = torch.nn.utils.clip_grad_norm_(params, 3.0).item()
    factor, norm = clip_factor([Tensor(g) for g in grads], 3.0)
    assert norm == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(factor * grads[0], params[0].grad.numpy(), rtol=1e-5)


@pytest.mark.parametrize("name", RULES)
def test_a_parameter_without_gradient_stays_as_it_is(name):
    kind, arguments, _ = RULES[name]
    moved, idle = parameter(np.ones(3, np.float32)), parameter(np.ones((2, 3), np.float32))
    alone = parameter(np.ones(3, np.float32))
    both, single = kind([moved, idle], **arguments), kind([alone], **arguments)
    for _ in range(3):
        both.step([Tensor(np.float32([1, 2, 3])), None])
        single.step([Tensor(np.float32([1, 2, 3]))])
    np.testing.assert_array_equal(moved.numpy(), alone.numpy())
    assert (idle.numpy() == 1).all()
    before = moved.numpy().copy()
    both.step([None, None])
    np.testing.assert_array_equal(moved.numpy(), before)
    assert clip_factor([None, Tensor([3.0, 4.0]), None], 1.0) == (pytest.approx(0.2), pytest.approx(5.0))
    assert clip_factor([None], 1.0) == (1.0, 0.0)


# Schedules: functions of how much of the training is over


@pytest.mark.parametrize("schedule, expected", [
    (optim.step_decay(0.8, at=(0.5, 0.75), factor=0.5), {0: 0.8, 0.49: 0.8, 0.5: 0.4, 0.74: 0.4, 0.75: 0.2, 1: 0.2}),
    (optim.cosine_decay(0.8), {0: 0.8, 0.5: 0.4, 1: 0.0}),
    (optim.cosine_decay(0.9, final=0.1), {0: 0.9, 0.25: 0.5 + 0.4 * math.sqrt(0.5), 0.5: 0.5, 1: 0.1}),
    (optim.linear_decay(0.8), {0: 0.8, 0.5: 0.8, 0.75: 0.4, 1: 0.0}),
    (optim.linear_warmup(0.8, 0.25), {0: 0.0, 0.125: 0.4, 0.25: 0.8, 1: 0.8}),
    (optim.linear_warmup(optim.step_decay(0.8, (0.1,), 0.5), 0.2), {0: 0.0, 0.05: 0.2, 0.1: 0.2, 0.2: 0.4, 1: 0.4}),
])
def test_schedules(schedule, expected):
    assert {done: schedule(done) for done in expected} == pytest.approx(expected, abs=1e-12)


def test_a_schedule_must_be_told_how_much_is_over():
    optimizer = SGD([parameter(np.zeros(1, np.float32))], lr=lambda done: 10.0**-done)
    for done in (0, 1, 2):
        optimizer.step([Tensor([1.0])], done=done)
    assert optimizer.params[0].item() == pytest.approx(-1.11)
    with pytest.raises(ValueError, match="SGD: lr is a schedule, .*; pass done=step / steps"):
        optimizer.step([Tensor([1.0])])
    assert SGD(optimizer.params, 0.1).rate() == 0.1
    with pytest.raises(ValueError, match="linear_warmup: share is 0"):
        optim.linear_warmup(0.1, 0)


def test_two_optimizers_of_one_kind_describe_themselves_alike():
    params = [parameter(np.zeros(1, np.float32))]
    assert Adam(params, optim.cosine_decay(0.1)).describe() == optim.adam(optim.cosine_decay(0.1))(params).describe()
    assert Adam(params, 0.1).describe() != Adam(params, 0.2).describe() != AdamW(params, 0.2).describe()
