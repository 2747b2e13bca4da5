"""How many examples a property is tried on.

By default they are the same on every machine and every day; examples that once failed stand beside
their property as `@example`. `python -m pytest --hypothesis-profile=long` draws others, twenty times
as many.
"""

import hypothesis

hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.register_profile("long", deadline=None, print_blob=True)


def examples(number):
    """Decorator that tries a property on so many examples, or on more in the long profile."""
    long = hypothesis.settings.get_current_profile_name() == "long"
    return hypothesis.settings(max_examples=20 * number if long else number)
