"""What a client is told: one sentence, without brackets."""

_BRACKETS = str.maketrans("", "", "[](){}<>")


def sentence(error: object) -> str:
    """An error's text in one line of at most 300 characters that ends with a full stop.

    Args:
        error: an exception, or its text.
    """
    text = " ".join(str(error).translate(_BRACKETS).split())
    return text[:299].rstrip(".:") + "."
