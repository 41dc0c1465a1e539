"""The one vocabulary of source ops: what an op means, whatever format it comes from.

Each function takes the network under construction, tensors and plain arguments; constants are NumPy arrays. The readers
map the names and arguments of their formats to these functions.
"""
