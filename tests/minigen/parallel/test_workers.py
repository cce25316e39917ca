"""What workers do beside training: samples are drawn by all of them, a part each."""
import runpy
from pathlib import Path

import numpy as np
import pytest

from autograd import backend
from minigen import cli, runs, workers

together = runpy.run_path(str(Path(__file__).with_name("simulated.py")))["together"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """That of a run. Only a main thread may say what signals do, and these workers are other threads."""
    monkeypatch.setattr("minigen.workers.signal.signal", lambda kind, handler: None)
    monkeypatch.setattr(cli, "_evaluate", lambda *args: None)
    monkeypatch.setattr("minigen.plot.curves", lambda series, path: None)
    assert cli.main(["train", "linear_ae", "--steps", "2", "--out", str(tmp_path / "run")]) == 0
    return tmp_path / "run"


def drawn(folder, size, n, seed=0):
    def work(world):
        if world.rank:
            return workers.follow(world, debug=False)
        trained = runs.load(folder)
        workers.divide(world, trained)
        with trained.evaluating():
            samples = trained.model.sample(n, backend.rng(seed))
        world.broadcast(None)
        return samples

    return together(size, work)[0]


def test_samples_are_drawn_by_all(folder):
    samples = drawn(folder, 3, 10)
    assert samples.shape == (10, 1, 8, 8) and len(np.unique(samples.reshape(10, -1), axis=0)) == 10
    np.testing.assert_array_equal(samples, drawn(folder, 3, 10))
    assert not np.array_equal(samples, drawn(folder, 3, 10, seed=1))
    assert_are_of(folder, samples, (0, 1, 2), (slice(0, 3), slice(3, 6), slice(6, 10)))


def assert_are_of(folder, samples, ranks, parts):
    """Each of these workers has drawn its rows, with noise of its own."""
    trained, seed = runs.load(folder), int(backend.rng(0).integers(2**63))
    with trained.evaluating():
        for rank, rows in zip(ranks, parts, strict=True):
            part = trained.model.sample(rows.stop - rows.start, backend.rng([seed, rank]))
            np.testing.assert_array_equal(samples[rows], part)


def test_fewer_samples_than_workers(folder):
    """Worker 0 draws none of two."""
    samples = drawn(folder, 3, 2)
    assert samples.shape == (2, 1, 8, 8)
    assert_are_of(folder, samples, (1, 2), (slice(0, 1), slice(1, 2)))


def test_one_worker_draws_as_ever(folder):
    trained = runs.load(folder)
    with trained.evaluating():
        np.testing.assert_array_equal(drawn(folder, 1, 4), trained.model.sample(4, backend.rng(0)))
