"""Cells of CSVs that a spreadsheet would take for a formula: written as text, and read back as they were.

As OWASP advises (https://owasp.org/www-community/attacks/CSV_Injection) a ' is put before them: the name of a file or
a class may be somebody else's. Numbers stay numbers; ends of lines and tabs are no concern, since `files.printable`
leaves none. A text that begins with such a ' gets another, so that each reads back as itself.
"""

from __future__ import annotations

import re

from keras_mtl.values import number_of

_FORMULA = re.compile("'*[=+\\-@\uff1d\uff0b\uff0d\uff20]")


def quoted(text: str) -> str:
    """A cell's text as it is written.

    Example:
        >>> quoted("=1+1.jpg"), quoted("-12.5"), quoted("a=b")
        ("'=1+1.jpg", '-12.5', 'a=b')
    """
    return f"'{text}" if _FORMULA.match(text) and number_of(text) is None else text


def unquoted(text: str) -> str:
    """The text that `quoted` wrote so; any other as it is."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) and number_of(text[1:]) is None else text
