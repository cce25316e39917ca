"""Neural networks: modules and layers, with torch.nn's names and layouts. Start reading at module.py."""
from . import init
from .adm_blocks import AdaGNBlock, RescaledBlock, ResDownsample, ResUpsample
from .attention import LearnedPositions, MultiheadAttention, SinusoidalPositions, sinusoidal_code
from .blocks import CrossAttention2d, Downsample, ResBlock, SelfAttention2d, Upsample
from .conv import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from .dit import DiT, DiTBlock
from .frozen import Frozen, thawed
from .layers import MLP, Apply, Dropout, Embedding, LayerNorm, Linear, Sequential
from .module import Module, ModuleDict, ModuleList, in_eval_mode
from .norms import BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, RMSNorm
from .recurrent import GRU
from .timed_mlp import TimedMLP
from .transformer import Transformer, TransformerBlock
from .unet import UNet
