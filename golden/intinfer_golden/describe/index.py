"""The file that lists sets of vectors in one folder: `index.json`, one entry a set."""

FORMAT = "intinfer-golden-index"
VERSION = 2
NAME = "index.json"
