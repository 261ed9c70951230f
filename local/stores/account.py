"""Which account a server runs as, and what that account may read.

PostgreSQL refuses to run as root. As root it is therefore started as the owner of its data, or as `nobody` when
the data is new: an account must exist in passwd, an unknown number is refused by the server. Directories above
the data are never opened up for that account; a path that it cannot walk is entered through the working
directory instead, which the kernel opens before the account changes.
"""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict


@dataclass(frozen=True)
class Account:
    """A passwd entry by number."""

    name: str
    user: int
    group: int


class Ownership(TypedDict, total=False):
    """The arguments of `subprocess.Popen` that choose an account."""

    user: int
    group: int
    extra_groups: list[str | int]


def ownership(account: Account | None) -> Ownership:
    """What to give `subprocess` to start a child as the account; nothing for the caller's own."""
    if account is None:
        return {}
    return {"user": account.user, "group": account.group, "extra_groups": []}


def account_for(data: Path) -> Account | None:
    """The account to serve `data` as, or None for the caller's own."""
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat().st_uid) != 0:
        try:
            entry = pwd.getpwuid(owner)
        except KeyError:
            entry = pwd.getpwnam("nobody")
    else:
        entry = pwd.getpwnam("nobody")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def can_walk(path: Path, account: Account) -> bool:
    """Whether the account may reach `path`: search permission on every directory above it.

    Only mode bits are read. An access list that allows more is not seen, which costs a copy and nothing else.
    """
    for directory in path.absolute().parents:
        status = directory.stat()
        if status.st_uid == account.user:
            needed = stat.S_IXUSR
        elif status.st_gid == account.group:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not status.st_mode & needed:
            return False
    return True


def give(path: Path, account: Account | None) -> None:
    """Make `path` and everything in it the account's own; nothing to do for the caller's own account."""
    if account is None:
        return
    os.chown(path, account.user, account.group)
    for directory, names, files in os.walk(path):
        for name in (*names, *files):
            os.chown(Path(directory) / name, account.user, account.group, follow_symlinks=False)
