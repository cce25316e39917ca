"""What tests of several models ask of a run that is cut."""
from minigen.train import train


def assert_goes_on_bit_for_bit(begin, steps, folder):
    """begin() -> Run, the same each time: cut after so many steps and resumed, it ends with the weights of the run that
    was not. Returns the one that was cut."""
    whole, cut, resumed = begin(), begin(), begin()
    cut.model.train()
    for _ in range(steps):
        cut.advance()
    cut.save(folder / "checkpoint", {})
    resumed.restore(folder / "checkpoint")
    for run in (whole, resumed):
        train(run)
    for name, array in whole.model.state_dict().items():
        assert array.tobytes() == resumed.model.state_dict()[name].tobytes(), name
    return cut
