"""Flow SDK side by side with its peer: the same work, the same machine, one run, reported as ratios."""
