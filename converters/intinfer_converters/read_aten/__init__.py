"""torch.export: `.pt2` archives, and any torch module through one, into a `FloatNet`.

`container` and `tensors` read the archive without executing anything in it, `program` and `nodes` its graph, a file's
or a module's; `ours` those of our networks. `reader` walks the graph, `values` knows what shares memory;
`elementwise`, `layers`, `arrangement` and `quantisers` have one small function an ATen op.
"""

from .ours import export_layers, is_ours
from .program import Program, export_program, read_program
from .reader import read_graph

__all__ = [
    "Program",
    "export_layers",
    "export_program",
    "is_ours",
    "read_graph",
    "read_program",
]
