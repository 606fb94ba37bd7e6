"""A token: the text of a key, made of chance, known by its prefix and checked without a database."""

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass
from zlib import crc32

from gateway import Secret

PREFIX = "sk-gw-"
"""How each begins, so that scanners for lost secrets find it."""

ID_LENGTH = 12
"""Characters of an id: 62 bits, enough for ids that never meet."""

SECRET_BYTES = 32
"""Bytes of chance."""

_LETTERS = string.digits + string.ascii_lowercase
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_CHECK_LENGTH = 6
_ID = re.compile(rf"[0-9a-z]{{{ID_LENGTH}}}")
_FORM = re.compile(rf"({PREFIX}([0-9a-z]{{{ID_LENGTH}}})-[A-Za-z0-9_-]{{43}}-)([A-Za-z0-9]{{{_CHECK_LENGTH}}})")


def new_id() -> str:
    """A new id, of small letters and digits."""
    return "".join(secrets.choice(_LETTERS) for _ in range(ID_LENGTH))


def is_id(text: str) -> bool:
    """Whether it may be an id; names such as the operator's are none."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Token:
    """The text of a key: ``sk-gw-<id>-<secret>-<checksum>``, 69 characters.

    Attributes:
        id: the key's id; no secret.
        secret: the whole text; prints as stars.
    """

    id: str
    secret: Secret

    @classmethod
    def new(cls, key_id: str = "") -> "Token":
        """A new token, of a new key or of the one with this id."""
        key_id = key_id or new_id()
        text = f"{PREFIX}{key_id}-{secrets.token_urlsafe(SECRET_BYTES)}-"
        return cls(key_id, Secret(text + _checksum(text)))

    @classmethod
    def parse(cls, text: str) -> "Token | None":
        """The token that a client sent; None for what is none, without asking anybody."""
        found = _FORM.fullmatch(text)
        if found is None or _checksum(found[1]) != found[3]:
            return None
        return cls(found[2], Secret(text))

    @property
    def text(self) -> str:
        """The whole text; shown once, then forgotten."""
        return self.secret.reveal()

    @property
    def hint(self) -> str:
        """Its last four characters, by which people tell keys apart; they belong to the checksum."""
        return self.text[-4:]

    def hash(self, pepper: Secret) -> str:
        """What the database knows of it, in hex: without the pepper it cannot be made, and it is no key itself."""
        return hmac.new(pepper.reveal().encode(), self.text.encode(), hashlib.sha256).hexdigest()


def _checksum(text: str) -> str:
    """CRC-32 in six characters: finds a typo or a torn line, proves nothing."""
    number = crc32(text.encode())
    digits = ""
    for _ in range(_CHECK_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
