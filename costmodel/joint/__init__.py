"""Layers mapped through all memories of a profile at once, for an objective: which, how, and what it costs."""
