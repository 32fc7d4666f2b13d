"""How a command ends, whatever happens: with one line and an exit code that says what it was."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from keras_mtl.errors import UserError

USER, INTERRUPTED, BROKEN_PIPE, TERMINATED = 2, 130, 141, 143
"""Exit codes: of a user's mistake or the surroundings; and those that shells give to SIGINT, SIGPIPE and SIGTERM."""

# What is wrong around a command, not in it, and what may be done about it.
_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space, then give the same command again"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "choose a place that you may read and write"),
    errno.ENOENT: "is there a link to something that is gone?",
    **dict.fromkeys((errno.ENOTDIR, errno.EISDIR, errno.EEXIST), "a file, a folder or a link is in its place"),
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "its links lead round in a circle",
    errno.EFBIG: "the file system or a limit (ulimit -f) takes no file of that size",
    errno.EIO: "the disk or network behind it fails",
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "too many files are open: raise the limit (ulimit -n)"),
    errno.ENOMEM: "close other programs, or take a smaller --batch_size or --image_size",
}
_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
_stopped_by: int | None = None


class Terminated(BaseException):
    """SIGTERM came; like KeyboardInterrupt, no `except Exception` takes it."""


def is_command() -> bool:
    """Whether this process is one of the package's commands, not a program of somebody's that imports it."""
    module = sys.orig_argv[sys.orig_argv.index("-m") + 1 :][:1] if sys.argv[:1] == ["-m"] else []
    names = [*module, os.path.basename(sys.argv[0]) if sys.argv else ""]
    return any(name.startswith(("keras_mtl.", "keras_mtl_")) for name in names)


def begin() -> None:
    """Makes the process one that ends as a command should, from its first imports on.

    Streams that were closed are opened on nothing, since the next file would get their number, and what is printed
    would go into it. Characters that a terminal hasn't got are escaped.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # The lowest number that is free.
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # A notebook's or a test's has not.
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # `nohup ... &` has it ignored.
        signal.signal(signal.SIGINT, _stop)
    sys.excepthook = _end


def run(main: Callable[[], int | None]) -> NoReturn:
    """Runs a command and ends the process: what it returns is the exit code, None for 0."""
    try:
        code = main()
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt, Terminated) as error:
        known = told(error)
        if known is None:
            raise
        code = _say(*known)
        if _stopped_by is not None:
            os._exit(code)  # Threads that don't know of it can't hold it up.
    sys.exit(code or 0)


def told(error: BaseException) -> tuple[str, int] | None:
    """The line and the exit code that an exception ends a command with; None for a defect of this package."""
    if _stopped_by is not None or isinstance(error, (KeyboardInterrupt, Terminated)):
        # Whatever became of the exception on its way through TensorFlow.
        is_term = isinstance(error, Terminated) or _stopped_by == signal.SIGTERM
        return "Stopped.", TERMINATED if is_term else INTERRUPTED
    if isinstance(error, UserError):
        return f"Error: {error}", USER
    if isinstance(error, BrokenPipeError):
        return "", BROKEN_PIPE  # As other programs do under `| head`.
    if isinstance(error, MemoryError):
        return f"Error: Not enough memory: {_ADVICE[errno.ENOMEM]}", USER
    code = _surroundings(error)
    if code is None:
        return None
    path = getattr(error, "filename2", None) or getattr(error, "filename", None)
    what = f"{os.fsdecode(path)}: {os.strerror(code)}" if isinstance(path, (str, bytes)) else _one_line(error, code)
    return f"Error: {what} ({_ADVICE[code]})", USER


def _surroundings(error: BaseException) -> int | None:
    """What the system said was wrong. TensorFlow, HDF5 and ArrayRecord give its words in an error of their own."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno if error.errno in _ADVICE else None
    is_systems = isinstance(error, OSError) or type(error).__module__.partition(".")[0] == "tensorflow"
    codes = _ADVICE if is_systems else _OF_DISKS if isinstance(error, RuntimeError) else ()
    return next((code for code in codes if os.strerror(code) in str(error)), None)


def _one_line(error: BaseException, code: int) -> str:
    """What a library says, up to the system's words."""
    words = os.strerror(code)
    text = " ".join(str(getattr(error, "message", getattr(error, "strerror", None) or error)).split())
    return text[: text.find(words) + len(words)] if words in text else f"{words}: {text}"


def _stop(number: int, frame: object) -> None:
    global _stopped_by
    again, _stopped_by = _stopped_by is not None, number
    error = KeyboardInterrupt() if number == signal.SIGINT else Terminated()
    if again:  # Asked for a second time: whatever is going on.
        _end(type(error), error, None)
    raise error


def _end(kind, error, trace) -> None:
    """The hook for what nobody took: Ctrl-C during the first imports, or a defect."""
    known = told(error)
    if known is None:
        sys.__excepthook__(kind, error, trace)
    else:
        os._exit(_say(*known))


def _say(line: str, code: int) -> int:
    """Says why the command ends; a stream that takes nothing any more is opened on nothing, so that it can end."""
    for stream, text in ((sys.stdout, ""), (sys.stderr, f"{line}\n" if line else "")):
        try:
            stream.write(text)
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code
