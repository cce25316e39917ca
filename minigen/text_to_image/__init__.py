"""What models of images and captions share: the network that reads the captions. Start at text_encoder.py."""
from .text_encoder import TextEncoder as TextEncoder
