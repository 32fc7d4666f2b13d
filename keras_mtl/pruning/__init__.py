"""Cutting branches off a trained net, and training what is left."""
