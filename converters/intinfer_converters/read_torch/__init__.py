"""PyTorch modules to `FloatNet`: one torch.fx trace, one small function a layer class.

Traced modules are those of `intinfer_converters.nets.layers`; anything else inside is refused by name.
"""

from .reader import read_module

__all__ = ["read_module"]
