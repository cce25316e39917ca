"""The noise-prediction loop as CUDA graphs, for GPUs: skip it on a first reading. Start at fused.py."""
