"""What autoencoders share. Codes that are inferred: variational.py, and what can become of them, collapse.py. Codes
that are to follow a distribution that was chosen: priors.py, matched.py."""
from .collapse import active_units as active_units
from .collapse import free_bits as free_bits
from .collapse import warm_up as warm_up
from .collapse import weight as weight
from .variational import Variational as Variational
