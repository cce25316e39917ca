"""Diffusion models. Start at ddpm.py."""
from .cascade import Cascade as Cascade
from .cascade import Small as Small
from .classifier_free import ClassifierFree as ClassifierFree
from .classifier_guided import ClassifierGuided as ClassifierGuided
from .consistency import Consistency as Consistency
from .ddpm import DDPM as DDPM
from .edm import EDM as EDM
from .flow_matching import FlowMatching as FlowMatching
from .improved_ddpm import ImprovedDDPM as ImprovedDDPM
from .inpainting_ddpm import InpaintingDDPM as InpaintingDDPM
from .latent_diffusion import LatentDiffusion as LatentDiffusion
from .ncsn import NCSN as NCSN
from .score_sde import ScoreSDE as ScoreSDE
from .super_resolution import SuperResolution as SuperResolution
from .super_resolution import SuperResolutionUNet as SuperResolutionUNet
