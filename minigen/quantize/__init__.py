"""What models with discrete codes share: the nearest code, draws that gradients pass, counts of codes in use."""
