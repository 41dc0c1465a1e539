"""Directed stimuli: frames that drive a region to the corners where designs go wrong.

Read `direct` first: it sends frames of each kind in turn. `textures` need no search; `telling` composes frames that
show what is wrong in one frame alone, and climbs from the best; `goals` solves for a wanted number of a linear form,
`pack` puts many such goals into one frame; `search` changes frames at random towards what is left.
"""
