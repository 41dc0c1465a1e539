"""Directed stimuli: frames that drive a region to the corners where designs go wrong."""

from .direct import Stimulus, directed

__all__ = ["Stimulus", "directed"]
