"""The seal: ids, and signatures that are recognised when they come back."""

import base64
import hmac
import secrets
from dataclasses import replace
from typing import Any

from gateway_infra_simulator.block import SIGN_LATER, Block

_SEALS = ("encrypted_content", "signature")
"""What makes a summary ours."""


def new_id(prefix: str) -> str:
    """An id in the API's style, such as ``msg_01...``."""
    return f"{prefix}_01{secrets.token_hex(11)}"


class Seal:
    """Signs what this simulator says and knows its own hand.

    Two simulators recognise each other's thinking only if they were given the same secret.
    """

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secret or secrets.token_bytes(32)
        self._given: set[tuple[str, str]] = set()

    def stamp(self, block: Block) -> Block:
        """The block with its blank id, signature or data filled in; those that a script gave are remembered."""
        match block.kind:
            case "tool_use" if block.start["id"] == SIGN_LATER:
                return replace(block, start=block.start | {"id": new_id("toolu")})
            case "thinking":
                return self._stamp_thinking(block)
            case "redacted_thinking":
                return self._stamp_redacted(block)
            case "compaction":
                return self._stamp_summary(block)
        return block

    def knows_thinking(self, text: str, signature: str) -> bool:
        """Whether a thinking block is one of ours, unchanged."""
        return self._knows("thinking", text, signature)

    def knows_redacted(self, data: str) -> bool:
        """Whether a redacted_thinking block is one of ours."""
        return self._knows("redacted", "", data)

    def fault_of_summary(self, summary: str, block: dict[str, Any]) -> str:
        """The error code for a summary whose seals are not ours or were made for other words; empty if all is well.

        One without any seal is taken: clients older than the seals lose them in streams.
        """
        seals = [block[key] for key in _SEALS if block.get(key) is not None]
        if all(self._knows_words(summary, seal) for seal in seals):
            return ""
        ours = all(self._knows_hand(seal) for seal in seals)
        return "compaction_content_mismatch" if ours else "compaction_signature_invalid"

    def _knows_hand(self, seal: str) -> bool:
        return self._knows("hand", "", seal.partition(".")[0])

    def _knows_words(self, summary: str, seal: str) -> bool:
        if (summary, seal) in self._given:
            return True
        return self._knows_hand(seal) and self._knows("summary", summary, seal.partition(".")[2])

    def _stamp_summary(self, block: Block) -> Block:
        folded = block.folded
        summary = folded.get("content") or ""
        self._given.update((summary, folded[key]) for key in _SEALS if folded.get(key))
        return replace(block, deltas=tuple(self._stamp_summary_delta(summary, delta) for delta in block.deltas))

    def _stamp_summary_delta(self, summary: str, delta: dict[str, Any]) -> dict[str, Any]:
        if delta.get("encrypted_content") != SIGN_LATER:
            return delta
        return delta | {"encrypted_content": f"{self._sign('hand', '')}.{self._sign('summary', summary)}"}

    def _stamp_thinking(self, block: Block) -> Block:
        text = block.folded["thinking"]
        deltas = tuple(self._stamp_delta(text, delta) for delta in block.deltas)
        return replace(block, deltas=deltas)

    def _stamp_delta(self, text: str, delta: dict[str, Any]) -> dict[str, Any]:
        if delta["type"] != "signature_delta":
            return delta
        if delta["signature"] != SIGN_LATER:
            self._given.add((text, delta["signature"]))
            return delta
        return delta | {"signature": self._sign("thinking", text)}

    def _stamp_redacted(self, block: Block) -> Block:
        if block.start["data"] != SIGN_LATER:
            self._given.add(("", block.start["data"]))
            return block
        return replace(block, start=block.start | {"data": self._sign("redacted", "")})

    def _sign(self, purpose: str, text: str) -> str:
        nonce = secrets.token_bytes(12)
        return base64.b64encode(nonce + self._mac(nonce, purpose, text)).decode()

    def _knows(self, purpose: str, text: str, signature: str) -> bool:
        if (text, signature) in self._given:
            return True
        try:
            raw = base64.b64decode(signature, validate=True)
        except ValueError:
            return False
        return hmac.compare_digest(raw[12:], self._mac(raw[:12], purpose, text))

    def _mac(self, nonce: bytes, purpose: str, text: str) -> bytes:
        return hmac.digest(self._secret, nonce + f"{purpose}\0{text}".encode("utf-8", "surrogatepass"), "sha256")
