"""``pytest tests/golden --update-goldens`` accepts what the tool prints now; review the difference before a commit."""


def pytest_addoption(parser):
    """Register the option that rewrites the expected output."""
    parser.addoption("--update-goldens", action="store_true", help="write what the tool prints now as the expected output")
