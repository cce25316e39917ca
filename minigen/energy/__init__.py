"""What energy-based models share: Langevin dynamics, the replay buffer, the partition function of a plane. Start at
langevin.py."""
from .langevin import langevin as langevin
from .langevin import score_of as score_of
from .partition import Grid as Grid
from .replay import ReplayBuffer as ReplayBuffer
