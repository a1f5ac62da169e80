# -*- test-case-name: tests.edgecore.test_metamanager -*-
"""
What a Message means to metamanager: what to store, whom to tell, what to answer.

::

    cloud   -> insert, update, delete        row; OK to the cloud; pushed on
    module  -> the same                      row; OK to the module; pushed on
    module  -> insert of a listener          row; null to the module
    module  -> query                         rows as a list of strings, null for a miss;
                                             or asked of the cloud on the module's behalf
    cloud   -> response to such a question   row; OK to the cloud; to the module that asked
    cloud   -> any other response            row; pushed on
    edgehub -> connect                       whether the cloud can be asked

Theory of operation.  :meth:`MetaManager.take` decides: it reads rows and returns a
:class:`~edgemesh.edgecore.decisions.Decision`, and changes nothing; it may run where
the rows are, in another thread, and twice.  When the writes of a decision are
committed, :meth:`MetaManager.settle` notes it, and then its Messages are sent: nobody
is told of what is not stored.

Objects of Kubernetes have versions: one that is older than its row, or than what was
deleted, is acknowledged and not applied.  What comes twice changes nothing.  A list of
Services or Endpoints becomes a row for each; none is deleted for not being in it.

Knows Messages and rows; no transport, no clock, no database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
from msgspec.structs import replace

from edgemesh.beehive import names
from edgemesh.beehive.message import Message, Messages
from edgemesh.beehive.resource import Resource, parse
from edgemesh.edgecore import changes, contents
from edgemesh.edgecore.decisions import Decision, Outcome, Purpose, Send
from edgemesh.edgecore.rows import MANIFESTS, IRows, Row
from edgemesh.errors import RemoteProtocolError

#: So many questions to the cloud wait at most.
MAX_ASKED = 1_000

#: What the mesh is told of.
_MESHED = frozenset(
    {"service", "servicelist", "endpoints", "endpointslist", "endpointslice"}
    | {"pod", "podlist", "node"}
)
_LISTENER = "listener"
#: What the cloud is asked for when it is not in the database.
_REMOTE = frozenset(
    {"configmap", "secret", "endpoints", "persistentvolume", "persistentvolumeclaim"}
    | {"volumeattachment", "node"}
)
#: What the cloud is asked for whenever it can be.
_FRESH = frozenset({"volumeattachment", "node"})


class MetaManager:
    """
    Decides about Messages.

    :param messages: makes new ones.
    :param name: the source of its answers.
    :ivar counts: Messages by what became of them.
    :ivar connected: whether the cloud can be asked.
    """

    def __init__(self, messages: Messages, name: str = names.METAMANAGER) -> None:
        self.counts = dict.fromkeys(Outcome, 0)
        self.connected = False
        self._messages = messages
        self._name = name
        #: Module's requests by the id of the question to the cloud.
        self._asked: dict[str, Message] = {}
        self._operations: dict[str, Callable[[Message, IRows], Decision]] = {
            names.INSERT: self._change,
            names.UPDATE: self._change,
            names.DELETE: self._change,
            names.QUERY: self._query,
            names.RESPONSE: self._response,
            names.ERROR: self._response,
            names.CONNECT: self._connect,
        }

    def __repr__(self) -> str:
        link = "connected" if self.connected else "cloud away"
        return f"<MetaManager {link}, {len(self._asked)} questions open>"

    def take(self, message: Message, rows: IRows) -> Decision:
        """Decide about one Message."""
        operation = self._operations.get(message.route.operation)
        try:
            if operation is None:
                raise contents.malformed(f"unknown operation {message.route.operation[:40]!r}")
            return operation(message, rows)
        except RemoteProtocolError as error:
            return self.refuse(message, error.detail)

    def settle(self, decision: Decision) -> None:
        """Note a decision whose writes are committed."""
        self.counts[decision.outcome] += 1
        if decision.connected is not None:
            self.connected = decision.connected
        for question in decision.questions:
            if decision.request is not None:
                self._asked[question] = decision.request
            else:
                self._asked.pop(question, None)

    def refuse(self, message: Message, text: str) -> Decision:
        """
        Answer that something is wrong with this Message.

        An answer that is wrong is dropped: two ends that answer errors with errors
        never stop.
        """
        answers = message.route.operation in (names.RESPONSE, names.ERROR)
        sends = () if answers else self._toSender(message, self._error(message, text))
        return Decision(Outcome.REFUSED, sends=sends, detail=text)

    def unstored(self, message: Message, text: str) -> Decision:
        """
        What to do when the writes for a Message could not be committed.

        The cloud is told nothing: it sends again what nobody acknowledged.
        """
        if _fromCloud(message):
            return Decision(Outcome.REFUSED, detail=text)
        return self.refuse(message, text)

    def expire(self, question: str) -> Decision:
        """The cloud did not answer in time; harmless if it has."""
        return self._unanswered([question], "the cloud did not answer in time")

    # What changes rows.

    def _change(self, message: Message, rows: IRows) -> Decision:
        about = parse(message.route.resource)
        if not (about.type and about.name):
            raise contents.malformed(f"no object has the resource {message.route.resource[:80]!r}")
        if about.type in contents.LISTS and message.route.operation != names.DELETE:
            return self._list(message, about, rows)
        value, version = contents.text(message), message.header.resourceversion
        origin = _origin(message)
        if message.route.operation == names.DELETE:
            change = changes.deleted(rows, str(about), value, version, origin)
        else:
            row = Row(str(about), about.type, value)
            change = changes.written(rows, row, version, origin)
        if not change.applied:
            return Decision(Outcome.OBSOLETE, sends=self._acknowledged(message, about))
        sends = self._acknowledged(message, about) + _pushed(message, about)
        return Decision(Outcome.APPLIED, change.writes, sends)

    def _list(self, message: Message, about: Resource, rows: IRows) -> Decision:
        items = contents.items(message, about.type)
        told = [(row, changes.written(rows, row, origin=_origin(message))) for row in items]
        writes = tuple(write for _, change in told for write in change.writes)
        applied = [msgspec.Raw(row.value.encode()) for row, change in told if change.applied]
        # Whoever it is pushed to must not fall back behind the database.
        current = message if len(applied) == len(items) else message.fillBody(applied)
        sends = self._acknowledged(message, about) + _pushed(current, about)
        return Decision(Outcome.APPLIED, writes, sends)

    def _acknowledged(self, message: Message, about: Resource) -> tuple[Send, ...]:
        if message.route.source == MANIFESTS:
            return ()
        inserted = about.type == _LISTENER and message.route.operation != names.DELETE
        content = None if inserted else names.OK
        return self._toSender(message, self._messages.newRespByMessage(message, content))

    # What asks.

    def _query(self, message: Message, rows: IRows) -> Decision:
        about = parse(message.route.resource)
        if not about.type:
            raise contents.malformed(f"nothing has the resource {message.route.resource[:80]!r}")
        if self._isRemote(about, rows):
            return self._ask(message)
        content = contents.answer(rows, about, message)
        outcome = Outcome.MISSED if content is None else Outcome.FOUND
        answer = self._messages.newRespByMessage(message, content)
        sent = answer.setRoute(self._name, message.route.group)
        return Decision(outcome, sends=self._toSender(message, sent))

    def _isRemote(self, about: Resource, rows: IRows) -> bool:
        if not (self.connected and about.name and about.type in _REMOTE):
            return False
        if rows.value(str(about)) is None:
            return True
        return about.type in _FRESH and not rows.origin(str(about))

    def _ask(self, message: Message) -> Decision:
        if len(self._asked) >= MAX_ASKED:
            return self.refuse(message, f"{MAX_ASKED} questions to the cloud wait already")
        question = self._messages.updateID(message).setSync(True)
        sends = (Send(Purpose.ASK, names.WEBSOCKET, question),)
        return Decision(
            Outcome.ASKED, sends=sends, questions=(question.header.msg_id,), request=message
        )

    # What the cloud answers.

    def _response(self, message: Message, rows: IRows) -> Decision:
        question = message.header.parent_msg_id
        request = self._asked.get(question)
        if request is not None:
            return self._answered(message, request, rows)
        about = parse(message.route.resource)
        unasked = message.route.operation == names.RESPONSE and not message.isNull()
        if not (unasked and _fromCloud(message) and about.type and about.name):
            raise contents.malformed("nobody waits for this answer")
        row = Row(str(about), about.type, contents.text(message))
        change = changes.written(rows, row, message.header.resourceversion)
        if not change.applied:
            return Decision(Outcome.OBSOLETE)
        return Decision(Outcome.APPLIED, change.writes, _pushed(message, about))

    def _answered(self, message: Message, request: Message, rows: IRows) -> Decision:
        """Pass the cloud's answer on as the answer to the module's own request."""
        question = message.header.parent_msg_id
        found = contents.unwrapped(message)
        header = replace(found.message.header, parent_msg_id=request.header.msg_id)
        answer = replace(found.message, header=header)
        passed = Send(Purpose.ANSWER, request.route.source, answer, request)
        if not found.stored:
            return Decision(Outcome.ANSWERED, sends=(passed,), questions=(question,))
        about = parse(request.route.resource)
        row = Row(str(about), about.type, contents.text(found.message))
        writes = changes.written(rows, row, found.message.header.resourceversion).writes
        thanks = self._messages.newRespByMessage(message, names.OK)
        acknowledged = Send(Purpose.ACKNOWLEDGE, names.WEBSOCKET, thanks)
        return Decision(Outcome.ANSWERED, writes, (acknowledged, passed), questions=(question,))

    def _connect(self, message: Message, rows: IRows) -> Decision:
        content = message.text()
        if content not in (names.CLOUD_CONNECTED, names.CLOUD_DISCONNECTED):
            raise contents.malformed(f"unknown state of the link: {content[:40]!r}")
        if content == names.CLOUD_CONNECTED:
            return Decision(Outcome.CONNECTION, connected=True)
        lost = self._unanswered(list(self._asked), "the link to the cloud is down")
        return Decision(
            Outcome.CONNECTION, sends=lost.sends, questions=lost.questions, connected=False
        )

    def _unanswered(self, questions: Iterable[str], text: str) -> Decision:
        open = {id: self._asked[id] for id in questions if id in self._asked}
        sends = tuple(
            send
            for request in open.values()
            for send in self._toSender(request, self._error(request, text))
        )
        return Decision(Outcome.UNANSWERED, sends=sends, questions=tuple(open), detail=text)

    # Whom to answer, and how.

    def _toSender(self, message: Message, answer: Message) -> tuple[Send, ...]:
        if message.route.source == MANIFESTS:
            return ()
        if _fromCloud(message):
            return (Send(Purpose.ACKNOWLEDGE, names.WEBSOCKET, answer),)
        return (Send(Purpose.ANSWER, message.route.source, answer, message),)

    def _error(self, message: Message, text: str) -> Message:
        error = self._messages.newErrorMessage(message, text)
        return error.setRoute(self._name, names.META_GROUP).setType(message.header.type)


def _fromCloud(message: Message) -> bool:
    return message.route.group == names.RESOURCE_GROUP


def _origin(message: Message) -> str:
    return MANIFESTS if message.route.source == MANIFESTS else ""


def _pushed(message: Message, about: Resource) -> tuple[Send, ...]:
    if about.type == _LISTENER:
        return ()
    module = names.EDGEMESH if about.type in _MESHED else names.EDGED
    return (Send(Purpose.PUSH, module, message),)
