"""The audit: what is in the sources, which images are there twice, and which of those leak from train into test."""
