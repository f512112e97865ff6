"""Rules of the code base itself, each test saying what to do where it is broken."""
