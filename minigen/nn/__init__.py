"""Neural networks: modules and layers, with torch.nn's names and layouts. Start reading at module.py."""
from . import init
from .layers import MLP, Apply, Dropout, Embedding, LayerNorm, Linear, Sequential
from .module import Module, ModuleList
