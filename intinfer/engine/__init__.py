"""The fast engine: a `Plan` (immutable: kernels bound, order fixed, buffers assigned) and a `Session` that runs it."""
