"""Reading and writing files that cannot be trusted: containers, strict JSON, packed tensors, child processes."""
