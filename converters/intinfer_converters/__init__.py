"""Checkpoints in, exact integer graphs out."""
