"""The files a tensor is written to. `FORMATS` is the whole list: name, which is the suffix as well, -> format."""

from .base import Format, Npy, Piece, Raw
from .text import Coe, Mem, Memh, Mif, Xmif

FORMATS: dict[str, Format] = {format_.name: format_ for format_ in (Memh(), Mem(), Coe(), Xmif(), Mif(), Raw(), Npy())}

__all__ = ["FORMATS", "Format", "Piece"]
