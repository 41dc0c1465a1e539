"""Directed stimuli: frames that drive a region to the corners where designs go wrong."""
