"""What models of images and captions share: the network that reads the captions, and the diffusion that is told them.
Start at text_encoder.py."""
from .frozen_reader import Captions as Captions
from .frozen_reader import FrozenReader as FrozenReader
from .prompted import Prompted as Prompted
from .text_encoder import TextEncoder as TextEncoder
