"""Settings of the whole suite: repeatable examples, and reports as wide as in a pipe."""

import os

from hypothesis import settings

for name in ("LINES", "NO_COLOR", "FORCE_COLOR"):
    os.environ.pop(name, None)
os.environ["COLUMNS"] = "80"

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.register_profile(
    "explore", deadline=None
)  # pytest --hypothesis-profile explore: new examples each time
settings.load_profile("repeatable")


collect_ignore_glob = [
    "models/*",  # scripts that made the sample files; they need the frameworks
    "wheels/*",  # `make test-models` names this folder; it needs the wheels
]


def pytest_configure(config):
    """Register the markers of this suite."""
    config.addinivalue_line("markers", "slow: takes seconds; leave out with -m 'not slow'")
