"""What the command prints and plots of runs on images."""
