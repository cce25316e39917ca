"""Data: sets by name, as named columns; 2-D densities that are known in closed form; streams of batches."""

from .batches import Batches as Batches
from .batches import Together as Together
from .catalog import load as load
from .catalog import names as names
from .catalog import resolve as resolve
from .dataset import SPLITS as SPLITS
from .dataset import Dataset as Dataset
from .dataset import Unpaired as Unpaired
from .labels import balanced as balanced
from .labels import few_labels as few_labels
from .own import parse_size as parse_size
from .pixels import binarize as binarize
from .pixels import dequantize as dequantize
from .pixels import threshold as threshold
from .space import Space as Space
from .toys import EIGHT_CENTRES as EIGHT_CENTRES
from .toys import EIGHT_SIGMA as EIGHT_SIGMA
from .toys import log_density as log_density
from .toys import sample_toy as sample_toy
