"""Image files and data sets as integers."""
