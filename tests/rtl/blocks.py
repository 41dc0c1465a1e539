"""Designs of whole blocks: `mdgnet_normal` and `mrb`, written by hand, with the parameters that a manifest gives."""

from __future__ import annotations

from typing import Any

from rtl.netlist import Json, constant_tensors, file_of, header, instance, layout, quoted, value_tensors, vector


def mdgnet_normal(manifest: Json) -> str:
    """The text of `module dut` for the region that a normal block of MDGNet is.

    Raises ValueError where the block is not as the hand-written one has it: see `_Block`.
    """
    block = _Block(manifest, "shuffle")
    parameters = {
        **block.parameters("gcm.gc1"),
        "DW_BITS": block.accumulator("dw"),
        **{f"{layer.upper()}_BITS": block.accumulator(f"gcm.{layer}") for layer in ("pw", "gc1", "gc2")},
        **block.thresholds("T0", "dw"),
        **block.thresholds("T1", "gcm.gc1"),
        **block.thresholds("T2", "gcm.gc2"),
        "GCM_SHUFFLE_BITS": block.constant("gcm.shuffle", "indices")["bits"],
        "GCM_FIRST_BITS": block.constant("gcm.first", "indices")["bits"],
        "SHUFFLE_BITS": block.constant("shuffle", "indices")["bits"],
        "FILES": quoted(f"constants/{block.name}"),
        "NAME": quoted(block.name),
    }
    return block.text("mdgnet_normal", parameters)


def mrb(manifest: Json) -> str:
    """The text of `module dut` for the region that a multiplexed residual block of MOGNET is. Errors as above."""
    block = _Block(manifest, "mux")
    parameters = block.parameters("c1.gconv")
    for path in ("c1", "c2"):
        bits = {layer: block.accumulator(f"{path}.{layer}") for layer in ("pw1", "gconv", "pw2")}
        parameters |= {f"{path}_{layer}_BITS".upper(): width for layer, width in bits.items()}
        parameters |= block.thresholds(f"{path.upper()}_T", f"{path}.pw2")
        parameters[f"{path.upper()}_SEED"] = vector(1, block.constant(f"{path}.pw2", "weight")["generated"]["seed"])
    parameters["FILES"] = quoted(f"constants/{block.name}")
    return block.text("mrb", parameters)


class _Block:
    """The manifest of a region with one input and one output of k-bit levels.

    Raises ValueError where values differ in fold, or a name needs escapes in a file name.
    """

    def __init__(self, manifest: Json, last: str) -> None:
        self.manifest = manifest
        self.values = value_tensors(manifest)
        self.constants = constant_tensors(manifest)
        self._nodes = {node["name"]: node for node in manifest["nodes"]}
        self.source, self.sink = (manifest["tensors"][port["tensor"]] for port in manifest["ports"])
        self.name = self.sink["node"].removesuffix(f".{last}")
        self.shape, self.fold, self.bits, _ = layout(self.source)
        for tensor in self.constants.values():
            expected = f"constants/{tensor['node']}.{tensor['attribute']}.memh"
            if file_of(tensor) != expected or not tensor["node"].startswith(self.name):
                raise ValueError(f"{tensor['node']}: its file is {file_of(tensor)}, the block reads {expected}")
        folds = {t["elements_per_word"] for t in self.values.values()}
        if len(folds) != 1:
            raise ValueError(f"{self.name}: the values have folds {sorted(folds)}; the block has one")

    def parameters(self, grouped: str) -> dict[str, Any]:
        """What both blocks have; `grouped` is a convolution whose groups are the block's."""
        return {
            **dict(zip(("C", "H", "W"), self.shape, strict=True)),
            "GROUPS": self._attributes(grouped)["groups"],
            "K": self.bits,
            "FOLD": self.fold,
        }

    def accumulator(self, path: str) -> int:
        """Bits of a convolution's."""
        return int(self._attributes(path)["accumulator"]["bits"])

    def constant(self, path: str, attribute: str) -> Json:
        return self.constants[f"{self.name}.{path}", attribute]

    def _attributes(self, path: str) -> Json:
        attributes: Json = self._nodes[f"{self.name}.{path}"]["attributes"]
        return attributes

    def thresholds(self, letters: str, path: str) -> dict[str, Any]:
        """Code of the thresholds behind a convolution."""
        tensor = self.constant(f"{path}.act", "thresholds")
        return {f"{letters}_BITS": tensor["bits"], f"{letters}_SIGNED": tensor["signed"]}

    def text(self, module: str, parameters: dict[str, Any]) -> str:
        width = self.fold * self.bits
        connections = {
            "s_data": f"s0_axis_tdata[{width - 1}:0]",
            "s_valid": "s0_axis_tvalid",
            "s_ready": "s0_axis_tready",
            "s_last": "s0_axis_tlast",
            "m_data": "data",
            "m_valid": "m0_axis_tvalid",
            "m_ready": "m0_axis_tready",
            "m_last": "m0_axis_tlast",
        }
        beat = self.sink["beat_bits"]
        return (
            header(self.manifest)
            + f"  logic [{width - 1}:0] data;\n  assign m0_axis_tdata = {beat}'(data);\n"
            + instance(module, "block", parameters, connections)
            + "endmodule\n"
        )
