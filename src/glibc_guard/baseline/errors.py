"""What can go wrong with a baseline."""


class BaselineError(Exception):
    """A baseline that cannot be what the user meant; the message says what to change."""


class UnavailableError(Exception):
    """A baseline that is not to be had now (no network, no such release); the message says why, in one line."""
