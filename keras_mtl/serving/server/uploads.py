"""The photo of an upload, read in memory: no part of it is written to disk."""

from __future__ import annotations

import python_multipart
from python_multipart.exceptions import FormParserError

from keras_mtl.serving.server.refusal import Refusal

FIELD = "photo"
_MOST_PARTS = 32  # Each takes the parser a while.


def uploaded_photo(body: bytes, content_type: str) -> bytes:
    """The encoded photo of a request: the body itself, or the file `photo` of a form.

    Args:
        body: of the request.
        content_type: its header.

    Raises:
        Refusal: 400 for a form without that file, or a damaged one; 415 for a body that says to be text.
    """
    kind = content_type.split(";")[0].strip().lower()
    if kind.startswith("image/") or kind in ("", "application/octet-stream"):
        return body
    if kind != "multipart/form-data":
        raise Refusal(415, f"Send a photo as image/jpeg, image/png, ... or in a form. Received: {kind[:80]}")
    files: dict[str, bytes] = {}
    parts = 0

    def count(_: object) -> None:
        nonlocal parts
        parts += 1
        if parts > _MOST_PARTS:
            raise Refusal(400, f"The form has more than {_MOST_PARTS} parts")

    def keep(file: python_multipart.multipart.File) -> None:
        count(file)
        file.file_object.seek(0)
        files[(file.field_name or b"").decode(errors="replace")] = file.file_object.read()

    try:
        parser = python_multipart.create_form_parser(
            {"Content-Type": content_type.encode()}, count, keep, config={"MAX_MEMORY_FILE_SIZE": float("inf")}
        )
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise Refusal(400, f"The form is damaged: {error}") from None
    if FIELD not in files:
        raise Refusal(400, f"The form has no file {FIELD!r}. Received: {', '.join(files)[:80] or 'no file'}")
    return files[FIELD]
