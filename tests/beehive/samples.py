"""Messages to test with, and a maker whose ids and times are known."""

from itertools import count

from edgemesh.beehive.message import Message, Messages


def messages() -> Messages:
    """Makes Messages with the ids ``id-1``, ``id-2`` ... at 1001, 1002 ... ms."""
    ids, times = count(1), count(1001)
    return Messages(lambda: f"id-{next(ids)}", lambda: next(times))


def query(resource: str = "default/service/b") -> Message:
    """What this mesh asks metamanager."""
    made = messages().newMessage("before")
    return made.buildRouter("edgemesh", "meta", resource, "query").setSync(True)


def answer(content: object) -> Message:
    """An answer with this content."""
    return messages().newRespByMessage(query(), content)
