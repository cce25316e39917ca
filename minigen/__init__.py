"""Deep generative models from a biased coin to text-to-image, on a small autograd over NumPy and CuPy.

The engine's import name, `autograd`, is also that of an older package (HIPS). Installed into one environment
they write into the same folder and the later one wins: that is found here, and not where it would first hurt.
"""
import autograd

if not (hasattr(autograd, "Tensor") and hasattr(autograd, "parameter")):
    raise ImportError(
        "minigen comes with a package named 'autograd' of its own, but Python found another one of that "
        f"name: {autograd!r}. If it is a file or folder of yours, rename it. If it was installed, install "
        "minigen in a fresh virtual environment; or in this one: pip uninstall autograd, then "
        "pip install --force-reinstall minigen"
    )
