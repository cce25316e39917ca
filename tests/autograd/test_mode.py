"""Recording and watching belong to the thread, and contexts that are left in any order leave nothing behind."""
import asyncio
import threading

import numpy as np
import pytest

import autograd as ag
from autograd import AnomalyError, detect_anomaly, grad, no_grad, parameter
from autograd.mode import mode


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    yield
    assert mode.get() is None


def in_thread(f):
    """What f() returns in another thread, while this one waits."""
    results = []
    thread = threading.Thread(target=lambda: results.append(f()))
    thread.start()
    thread.join()
    return results[0]


# Threads


def test_no_grad_of_one_thread_does_not_reach_another():
    x = parameter([1.0, 2.0])
    with no_grad():
        assert in_thread(lambda: (x * x).requires_grad)
        assert not (x * x).requires_grad
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with no_grad():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(10)
    assert ag.recording() and (x * x).requires_grad
    leave.set()
    thread.join()


def test_threads_that_leave_in_another_order_leave_recording_on():
    order = [threading.Event() for _ in range(3)]
    seen = []

    def first():
        with no_grad():
            order[0].set()
            order[1].wait(10)
        seen.append(ag.recording())
        order[2].set()

    def second():
        order[0].wait(10)
        with no_grad():
            order[1].set()
            order[2].wait(10)
        seen.append(ag.recording())

    threads = [threading.Thread(target=f) for f in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True, True] and ag.recording()


def test_an_anomaly_is_that_of_the_thread_that_watches():
    zero = parameter(np.array([0.0]))
    with np.errstate(all="ignore"), detect_anomaly():
        assert in_thread(lambda: np.errstate(all="ignore")(ag.log)(zero).item()) == -np.inf
        with pytest.raises(AnomalyError):
            ag.log(zero)


def test_gradients_in_several_threads_at_once():
    """Each thread takes first and second derivatives of its own function of the shared parameters, while others have
    recording off."""
    rng = np.random.default_rng(0)
    W, wrong = parameter(rng.standard_normal((5, 5))), []

    def f(x, k):
        return (ag.tanh(x @ W) * k).sum()

    xs = [rng.standard_normal((4, 5)) for _ in range(6)]
    expected = []
    for k, x in enumerate(xs):
        x = parameter(x)
        g = grad(f(x, k), x, create_graph=True)
        expected.append((g.numpy(), grad((g * g).sum(), W).numpy()))

    def work(k):
        for _ in range(60):
            x = parameter(xs[k])
            with no_grad():
                if f(x, k).requires_grad:
                    wrong.append("recorded under no_grad")
            g = grad(f(x, k), x, create_graph=True)
            h = grad((g * g).sum(), W)
            if not (np.array_equal(g.numpy(), expected[k][0]) and np.array_equal(h.numpy(), expected[k][1])):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_no_grad_left_in_another_thread_says_so():
    context = no_grad()
    context.__enter__()
    errors = []

    def leave():
        try:
            context.__exit__(None, None, None)
        except RuntimeError as error:
            errors.append(str(error))
        return ag.recording()

    assert in_thread(leave)
    assert "no_grad: it is left in another thread than it was entered in" in errors[0]
    assert not ag.recording()
    context.__exit__(None, None, None)


def test_tasks_of_one_thread_do_not_reach_each_other():
    async def held():
        with no_grad():
            await asyncio.sleep(0.01)
            return ag.recording()

    async def free():
        await asyncio.sleep(0.001)
        return ag.recording()

    async def both():
        return await asyncio.gather(held(), free())

    assert asyncio.run(both()) == [False, True]


# Contexts and decorators


def test_contexts_of_one_thread_may_be_left_in_any_order():
    a, b = no_grad(), no_grad()
    a.__enter__()
    b.__enter__()
    a.__exit__(None, None, None)
    assert not ag.recording()
    b.__exit__(None, None, None)
    assert ag.recording()
    c, d = detect_anomaly(), detect_anomaly()
    c.__enter__()
    d.__enter__()
    c.__exit__(None, None, None)
    d.__exit__(None, None, None)


def test_one_object_is_entered_again_and_within_itself():
    off = no_grad()
    for _ in range(2):
        with off:
            with off:
                assert not ag.recording()
            assert not ag.recording()
        assert ag.recording()


def test_create_graph_records_inside_no_grad_and_no_grad_is_back_after():
    x = parameter(2.0)
    y = x**3
    with no_grad():
        g = grad(y, x, create_graph=True)
        assert not ag.recording()
    assert g.requires_grad and grad(g, x).item() == 12.0


def test_decorated_functions():
    @no_grad()
    def f(x):
        """A docstring."""
        return ag.recording(), x * 2.0

    x = parameter(1.0)
    recorded, y = f(x)
    assert not recorded and not y.requires_grad and ag.recording()
    assert f.__name__ == "f" and f.__doc__ == "A docstring."

    @no_grad()
    def fails():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert ag.recording()


def test_decorated_generators_run_their_steps_without_a_graph_and_their_caller_with_one():
    seen = []

    @no_grad()
    def steps(n):
        try:
            for i in range(n):
                seen.append(ag.recording())
                try:
                    sent = yield i
                except KeyError as error:
                    sent = repr(error)
                seen.append((ag.recording(), sent))
            return "done"
        finally:
            seen.append(("finally", ag.recording()))

    def all_of(n):
        result = yield from steps(n)
        assert result == "done"

    assert list(all_of(3)) == [0, 1, 2]
    assert seen == [False, (False, None)] * 3 + [("finally", False)]
    seen.clear()
    running = steps(5)
    assert next(running) == 0 and ag.recording()
    assert running.send("hello") == 1 and ag.recording()
    assert running.throw(KeyError("k")) == 2 and ag.recording()
    running.close()
    assert ag.recording()
    assert seen == [False, (False, "hello"), False, (False, "KeyError('k')"), False, ("finally", False)]


def test_what_runs_asynchronously_is_not_decorated():
    async def f():
        pass

    async def g():
        yield 1

    for function in (f, g):
        with pytest.raises(TypeError, match=r"no_grad: \w is asynchronous; write `with no_grad"):
            no_grad()(function)
