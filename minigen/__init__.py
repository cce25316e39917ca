"""Deep generative models from a biased coin to text-to-image, on a small autograd over NumPy and CuPy.

The engine's import name, `autograd`, is also that of an older package (HIPS). Installed into one environment
they write into the same folder and the later one wins: that is found here, and not where it would first hurt.
It is read and not imported, as importing it chooses the device, and what is wrong with that is said by __main__.py.
"""
from importlib.util import find_spec

found = find_spec("autograd")
source = found.loader.get_source("autograd") if found and found.loader else None
if "from .tensor import" not in (source or ""):
    raise ImportError(
        "minigen comes with a package named 'autograd' of its own, but Python found another one of that "
        f"name: {found and found.origin}. If it is a file or folder of yours, rename it. If it was installed, install "
        "minigen in a fresh virtual environment; or in this one: pip uninstall autograd, then "
        "pip install --force-reinstall minigen"
    )
