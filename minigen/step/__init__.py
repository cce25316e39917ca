"""One training step in the open: every op, forward and backward. Start at observe.py."""
from .observe import Played as Played
from .observe import observe as observe
from .page import page as page
from .text import text as text
