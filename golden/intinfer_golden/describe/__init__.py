"""What a set of golden vectors is: regions of a graph, values, constants and words, and the manifest that says how
they lie in files. Knows neither who makes a set nor who compares with it."""
