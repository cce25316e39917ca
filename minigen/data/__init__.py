"""Data: datasets by name, 2-D densities that are known in closed form, batches, and pixel scalings."""

from .batches import Batches as Batches
from .catalog import load as load
from .catalog import names as names
from .dataset import SPLITS as SPLITS
from .dataset import Dataset as Dataset
from .pixels import binarize as binarize
from .pixels import dequantize as dequantize
from .pixels import threshold as threshold
from .pixels import to_signed as to_signed
from .pixels import to_unit as to_unit
from .toys import EIGHT_CENTRES as EIGHT_CENTRES
from .toys import EIGHT_SIGMA as EIGHT_SIGMA
from .toys import log_density as log_density
from .toys import sample_toy as sample_toy
