"""Ops that are known and have no counterpart in an integer network: why, and the way out."""

from __future__ import annotations

SOFTMAX = "it has no integer meaning; the largest score stays the largest: {way_out}"
TRANSPOSED = "transposed convolutions are not supported; nearest upsampling and a convolution are"
DYNAMIC = "its scale depends on the image; quantise statically, with a constant scale"
