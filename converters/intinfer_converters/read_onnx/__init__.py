"""ONNX models of every quantised dialect into a `FloatNet`: QONNX, QDQ and QCDQ, QOperator, integer and float ONNX.

`load` checks the file, `fold` computes what is constant, `table` says which function reads which operator.
"""

from .reader import read_onnx

__all__ = ["read_onnx"]
