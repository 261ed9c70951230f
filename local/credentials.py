"""The secrets of one local platform: random, made once, kept in `secrets.json` that only its owner may read."""

from __future__ import annotations

import base64
import secrets
from dataclasses import asdict, dataclass, fields

from local.errors import MachineProblem
from local.home import Home, cannot_write, read_mapping, write_private

#: Who the demo accounts and bots belong to.
TRADER_MAIL = "trader@fullon"


@dataclass(frozen=True, repr=False)
class Credentials:
    """What the processes of a home use among themselves.

    `instance` is no secret: it marks every process of this home, so that those of a run that was killed can be told
    from everything else on the machine.
    """

    instance: str
    jwt_secret_key: str
    encryption_key: str
    database_password: str
    valkey_password: str
    aws_access_key_id: str
    aws_secret_access_key: str

    @classmethod
    def generate(cls) -> Credentials:
        """New random values; `encryption_key` is 32 bytes in base64."""
        return cls(
            instance=secrets.token_hex(8),
            jwt_secret_key=secrets.token_urlsafe(48),
            encryption_key=base64.b64encode(secrets.token_bytes(32)).decode(),
            database_password=secrets.token_urlsafe(24),
            valkey_password=secrets.token_urlsafe(24),
            aws_access_key_id="LOCAL" + secrets.token_hex(8).upper(),
            aws_secret_access_key=secrets.token_urlsafe(30),
        )

    @classmethod
    def of(cls, home: Home) -> Credentials:
        """Those of a home, made at the first call.

        Raises:
            MachineProblem: the file cannot be read or written, or is damaged while data that needs it exists.
        """
        try:
            stored = read_mapping(home.secrets)
            if all(isinstance(stored.get(field.name), str) for field in fields(cls)):
                return cls(**{field.name: stored[field.name] for field in fields(cls)})
            if home.secrets.exists() and home.postgres.exists():
                raise MachineProblem(
                    f"{home.secrets} is damaged, and the stored data can only be read with it.",
                    f"Restore the file, or remove {home.path} to start empty.",
                )
            created = cls.generate()
            write_private(home.secrets, asdict(created))
        except OSError as error:
            raise cannot_write(home.secrets, error) from error
        return created


def password() -> str:
    """A password to print once and type once: 20 letters and digits, no look-alikes."""
    letters = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(5)) for _ in range(4))
