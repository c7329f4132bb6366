"""The base class of the errors that bad input and mistakes end in; each room subclasses it for its own cases."""


class UserError(Exception):
    """One sentence that says what is wrong and what to do; shown without a traceback."""


class InvalidNameError(UserError):
    """A text that cannot be the name of a person."""
