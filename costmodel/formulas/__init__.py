"""Pure functions on scalars or arrays: counts, traffic, energy, latency."""
