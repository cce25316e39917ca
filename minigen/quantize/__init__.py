"""What models with discrete codes share: the nearest code, draws that gradients pass, counts of codes in use."""
from .codebook import Codebook as Codebook
from .codebook import EMACodebook as EMACodebook
from .nearest_code import nearest as nearest
from .nearest_code import straight_through as straight_through
from .usage import code_counts as code_counts
from .usage import entropy as entropy
from .usage import perplexity as perplexity
from .usage import used as used
