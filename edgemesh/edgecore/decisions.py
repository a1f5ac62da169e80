"""What metamanager decides about one Message, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edgemesh.beehive.message import Message
from edgemesh.edgecore.rows import Write


class Purpose(Enum):
    """Why a Message is sent."""

    ACKNOWLEDGE = "tells the cloud that it is stored"
    ANSWER = "answers a module's request"
    PUSH = "hands a change on; nobody answers"
    ASK = "asks the cloud on a module's behalf; somebody waits"


class Outcome(Enum):
    """What became of a Message; each is counted."""

    APPLIED = "stored, or the same already"
    OBSOLETE = "older than what is stored"
    FOUND = "answered from the database"
    MISSED = "not in the database"
    ASKED = "asked of the cloud"
    ANSWERED = "the cloud's answer, passed on"
    UNANSWERED = "the cloud did not answer"
    CONNECTION = "the link to the cloud came or went"
    REFUSED = "not understood, or nobody waits for it"


@dataclass(frozen=True, slots=True)
class Send:
    """
    A Message to send.

    :ivar module: to whom; the cloud is behind the module ``websocket``.
    :ivar request: what an answer answers; its links are found by it.
    """

    purpose: Purpose
    module: str
    message: Message
    request: Message | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """
    What to do about one Message, in this order.

    :ivar writes: to commit together before anything is sent.
    :ivar questions: ids of questions to the cloud that this begins or ends.
    :ivar request: the module's request that such a question is asked for.
    :ivar connected: whether the cloud can be asked from now on; None leaves it.
    :ivar detail: why it was refused, one line.
    """

    outcome: Outcome
    writes: tuple[Write, ...] = ()
    sends: tuple[Send, ...] = ()
    questions: tuple[str, ...] = ()
    request: Message | None = None
    connected: bool | None = None
    detail: str = ""
