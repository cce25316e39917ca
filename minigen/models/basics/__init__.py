"""Models that are fitted without a training loop: by counting, or by keeping the data. Start at
independent_pixels.py."""
from .independent_pixels import IndependentPixels as IndependentPixels
from .kernel_density import KernelDensity as KernelDensity
from .markov_chain import MarkovChain as MarkovChain
from .ngram import NGram as NGram
