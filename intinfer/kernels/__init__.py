"""Fast versions of the ops, in Numba. File name = op name + method. `table.KERNELS` lists them all, best first."""
