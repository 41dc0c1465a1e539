"""ONNX against what its own definitions say. Not called `onnx`: that would hide the package."""
