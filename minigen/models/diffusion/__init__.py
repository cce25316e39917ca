"""Diffusion models. Start at ddpm.py."""
from .classifier_free import ClassifierFree as ClassifierFree
from .classifier_guided import ClassifierGuided as ClassifierGuided
from .consistency import Consistency as Consistency
from .ddpm import DDPM as DDPM
from .edm import EDM as EDM
from .flow_matching import FlowMatching as FlowMatching
from .flow_matching import Rectified as Rectified
from .flow_matching import straightness as straightness
from .improved_ddpm import ImprovedDDPM as ImprovedDDPM
from .ncsn import NCSN as NCSN
from .progressive import Progressive as Progressive
from .score_sde import ScoreSDE as ScoreSDE
