"""The files a tensor is written to. `FORMATS` is the whole list: name, which is the suffix as well, -> format."""

from .base import Format, Piece
from .coe import Coe
from .mem import Mem
from .memh import Memh
from .mif import Mif
from .npy import Npy
from .raw import Raw
from .xmif import Xmif

FORMATS: dict[str, Format] = {format_.name: format_ for format_ in (Memh(), Mem(), Coe(), Xmif(), Mif(), Raw(), Npy())}

__all__ = ["FORMATS", "Format", "Piece"]
