"""What a hardware team needs beside the answer: every value of a run, on disk."""
