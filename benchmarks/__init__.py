"""Speed, measured: ``python benchmarks/run.py`` writes RESULTS.md, ``pytest benchmarks`` times single parts."""
