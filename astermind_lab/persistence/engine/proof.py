"""How a client and the local engine convince each other that both know the secret.

An address file can be stale, and its port can belong to somebody else by now. So before a client
signs in, which tells the password, it asks for the engine's status with a number used once and the
keyed digest of it; only the engine of this data folder can answer with the digest that fits, and it
answers nobody else. (HMAC-SHA-256, RFC 2104.)
"""

from __future__ import annotations

import hashlib
import hmac

__all__ = ["PATH", "PROOF_HEADER", "answer_proof", "question_proof", "same"]

PATH = "/astermind/status"
PROOF_HEADER = "X-Astermind-Proof"


def question_proof(secret: str, nonce: str) -> str:
    """What the asking client adds to its nonce."""
    return _digest(secret, "question", nonce)


def answer_proof(secret: str, nonce: str, body: bytes) -> str:
    """What the engine adds to its answer."""
    return _digest(secret, "answer", nonce, body)


def same(one: str, other: str) -> bool:
    """Whether two proofs are equal; takes as long for any two."""
    return hmac.compare_digest(one.encode(), other.encode())


def _digest(secret: str, *parts: str | bytes) -> str:
    message = b"\0".join(part.encode() if isinstance(part, str) else part for part in parts)
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
