"""What autoregressive models share: the chain rule, and drawing one number after the other. Start at chain.py."""
from .chain import Autoregressive as Autoregressive
from .chain import categorical as categorical
