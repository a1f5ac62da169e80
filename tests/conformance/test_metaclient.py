"""What KubeEdge's own metamanagers say about Services, taken as the client takes it."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.beehive.codec import decode
from edgemesh.beehive.message import Message
from edgemesh.beehive.resource import Resource, parse
from edgemesh.meta.holding import Holding
from edgemesh.meta.objects import KIND_OF
from tests.conformance.captures import captures
from tests.meta.metamanagers import FakeMetaManager

_FILES = {
    "k8s_service.json": "default/service/x",
    "k8s_endpoints.json": "default/endpoints/x",
    "k8s_endpointslice.json": "default/endpointslice/x",
    "k8s_podlist_array.json": "default/podlist/x",
}


def _messages(*prefixes: str) -> list[Message]:
    """What was said about kinds that the client knows, in order."""
    found = (decode(capture.data) for capture in captures(*prefixes))
    return [one for one in found if parse(one.route.resource).type in KIND_OF]


class RecordedTests(SynchronousTestCase):
    """Recorded objects and Messages."""

    def test_objects(self) -> None:
        """Objects as Go writes them are taken whole; they are one Service and its Pods."""
        holding = Holding()
        files = {one.name: one.data for one in captures("k8s_")}
        self.assertEqual(files.keys(), _FILES.keys())
        for name, resource in _FILES.items():
            holding.put(parse(resource), json.loads(files[name]), False)
        self.assertEqual((holding.problems(), holding.rejected), ({}, 0))
        metadata = holding.commit()
        self.assertEqual(len(metadata.services), 1)
        self.assertTrue(metadata.pods)
        self.assertEqual(len(metadata.endpoints), 1)

    def test_pushes(self) -> None:
        """Pushes of the metamanager that knew edgemesh are taken, every one of them."""
        manager = FakeMetaManager()
        manager.link()
        pushes = [m for m in _messages("meta_") if m.route.source == "edgecontroller"]
        pushes = [m for m in pushes if m.route.operation in ("insert", "update", "delete")]
        self.assertTrue(pushes)
        for message in pushes:
            manager.client.pushed(message)
            self.assertEqual(manager.client.rejected, 0, message)
        self.assertEqual(manager.client.ignored, 0)
        self.assertTrue(manager.client.applied)

    def test_answers(self) -> None:
        """Answers from its database and from the cloud, old and new, are understood."""
        answers = [
            message
            for message in _messages("meta_", "metamaster_", "sockcap_")
            if message.route.operation == "response" and message.header.parent_msg_id
        ]
        answers = [m for m in answers if m.value() not in ("OK", None)]
        self.assertGreater(len(answers), 3)
        for message in answers:
            holding = Holding()
            resource: Resource = parse(message.route.resource)
            holding.put(resource, message.value(), True)
            self.assertEqual((holding.problems(), holding.rejected), ({}, 0), message)
            self.assertTrue(holding.names(KIND_OF[resource.type]), message)
