"""Tables in Markdown."""

import tabulate


def markdown_table(rows):
    """A Markdown table.

    Args:
        rows: lists of strings of one length, the first one the head.

    Returns:
        The table, a string that ends with a newline.
    """
    # Everything is text: tabulate would round what looks like a number.
    options = dict(tablefmt="github", disable_numparse=True, stralign="left")
    with_ends = tabulate.tabulate(rows[1:], headers=rows[0], **options)
    return with_ends + "\n"
