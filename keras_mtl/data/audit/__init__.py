"""The audit: what is in the sources, which images are there twice, and which of those leak from train into test."""

THRESHOLD = 0.9
"""How like two pictures must be to count as one, 1 being the same; chosen on UTKFace and SMILEs, see
benchmarks/near_duplicates.py. Here, since the command's flags need it before anything heavy is imported."""
