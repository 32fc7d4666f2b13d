"""One process at a time: locks that end with the process that holds them, however it ends."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import pathlib
import socket
from collections.abc import Iterator

from keras_mtl.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
_NOTE = 200  # Bytes.
_NONE_HERE = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)

log = logging.getLogger(__name__)


@contextlib.contextmanager
def only_writer(folder: str | os.PathLike, name: str = "", *, wait: bool = False) -> Iterator[None]:
    """Lets one process at a time write to a folder, or to a file in it. Nobody who reads is held up.

    While the block runs there is a file `.lock`, or `.lock-<name>`, that says who writes. What counts is the kernel's
    lock on it, which ends with its process: a file that a killed one left locks nobody out. On a file system without
    locks a warning says so, and nobody is kept out.

    Args:
        folder: where; it is made, and goes again where nothing was written.
        name: of the file in it; empty for the whole folder.
        wait: whether to wait until the others are done, which is for what takes a moment.

    Raises:
        UserError: another process has it.
    """
    folder = pathlib.Path(folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    path = folder / (f"{LOCK}-{name}" if name else LOCK)
    try:
        with locked(path, wait=wait) as file:
            if file is None:
                log.warning("%s: the file system has no locks; see that only one command writes there", folder)
            else:
                with contextlib.suppress(OSError):  # A full disk, say: only the message is the poorer for it.
                    os.pwrite(file, f"process {os.getpid()} on {socket.gethostname()}".ljust(_NOTE).encode(), 0)
            yield
    except Taken as taken:
        raise UserError(
            f"{taken} is writing to {folder / name}: wait until it has ended, or choose another name"
        ) from None
    finally:
        with contextlib.suppress(OSError):  # As it does where something is in it.
            for path in made:
                path.rmdir()


class Taken(Exception):
    """Another process has a lock; the message says which, as the subject of a sentence."""


@contextlib.contextmanager
def locked(path: pathlib.Path, *, wait: bool = False) -> Iterator[int | None]:
    """Holds the lock on a file, which is there meanwhile.

    On a file system without locks, as some of networks are, the block runs unlocked.

    Args:
        path: the file; its folder is made.
        wait: whether to wait for the lock.

    Returns:
        The open file, for a note on who holds it; None where there are no locks.

    Raises:
        Taken: another process holds it.
    """
    file = _take(path, wait)
    try:
        yield file
    finally:
        path.unlink(missing_ok=True)
        if file is not None:
            os.close(file)


def _take(path: pathlib.Path, wait: bool) -> int | None:
    """The locked file, to be closed; None where there are no locks."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)  # Each time: another process may just have removed it, empty.
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except FileNotFoundError:
            continue
        try:
            if fcntl is None:
                raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if os.path.samestat(os.fstat(file), os.stat(path)):
                return file
        except FileNotFoundError:
            pass  # Whoever had it has just removed it: a lock on that file is seen by nobody.
        except BlockingIOError:
            holder = os.read(file, _NOTE).decode(errors="replace").strip()
            os.close(file)
            raise Taken(f"Another process{f' ({holder})' if holder else ''}") from None
        except OSError as error:
            os.close(file)
            if error.errno not in _NONE_HERE:
                raise
            return None
        except BaseException:  # Ctrl-C while it waited
            os.close(file)
            raise
        os.close(file)
