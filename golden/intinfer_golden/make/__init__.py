"""Makes sets of golden vectors: regions are driven into their corners, the reference's values are written."""
