"""Weight-free sample files of other formats, each with its provenance."""
