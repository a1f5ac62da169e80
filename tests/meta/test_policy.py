"""Tests for edgemesh.meta.policy."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.meta.model import Service, ServicePort
from edgemesh.meta.policy import (
    QPS,
    HashKey,
    Limit,
    LoadBalance,
    Policy,
    policyFor,
    readAnnotations,
)

PORT = ServicePort(80)


def service(**annotations: str) -> Service:
    """``web.default`` with these annotations; ``_`` stands for ``-``."""
    named = {f"edgemesh.io/{key.replace('_', '-')}": text for key, text in annotations.items()}
    return Service("default", "web", (PORT,), annotations=named)


class PolicyForTests(SynchronousTestCase):
    """Patches and annotations -> the policy of a service port."""

    def test_nothing(self) -> None:
        """Without any configuration every default is in force."""
        self.assertEqual(policyFor({}, service(), PORT), Policy())

    def test_specific(self) -> None:
        """A port's value overrides the service's, and that one everybody's."""
        policies = {
            "web.default:80": {"timeouts": {"idle": 3}},
            "web.default": {"timeouts": {"idle": 2, "connect": 2}},
            "*": {"timeouts": {"idle": 1, "connect": 1, "response": 1}},
        }
        timeouts = policyFor(policies, service(), PORT).timeouts
        self.assertEqual((timeouts.response, timeouts.connect, timeouts.idle), (1, 2, 3))

    def test_others(self) -> None:
        """Other services' and ports' policies have no effect."""
        policies = {"web.other": {"retries": False}, "web.default:81": {"retries": False}}
        self.assertEqual(policyFor(policies, service(), PORT), Policy())

    def test_fieldByField(self) -> None:
        """A part that is set once may be refined elsewhere."""
        policies: dict[str, Any] = {
            "*": {"qps": {"outbound": {"limit": 5, "burst": 3}}},
            "web.default": {"qps": {"outbound": {"limit": 9}, "inbound": {"limit": 1}}},
        }
        self.assertEqual(policyFor(policies, service(), PORT).qps, QPS(Limit(9, burst=3), Limit(1)))

    def test_limitTakenAway(self) -> None:
        """null frees one service from everybody's limit."""
        policies: dict[str, Any] = {
            "*": {"qps": {"outbound": {"limit": 5}}},
            "web.default": {"qps": {"outbound": None}},
        }
        self.assertEqual(policyFor(policies, service(), PORT).qps, QPS())

    def test_replacedWhole(self) -> None:
        """What to hash and the weights are never mixed from two places."""
        policies: dict[str, Any] = {
            "*": {"loadBalance": {"hash": {"cookie": "id"}, "weights": {"a": 1}}},
            "web.default": {"loadBalance": {"hash": {"header": "x-user"}, "weights": {"b": 2}}},
        }
        self.assertEqual(
            policyFor(policies, service(), PORT).loadBalance,
            LoadBalance(hash=HashKey(header="x-user"), weights={"b": 2}),
        )

    def test_unchanged(self) -> None:
        """Merging leaves the configuration as it was."""
        policies = {"*": {"timeouts": {"idle": 1}}, "web.default": {"timeouts": {"connect": 1}}}
        before = repr(policies)
        policyFor(policies, service(qps="1"), PORT)
        self.assertEqual(repr(policies), before)

    def test_annotations(self) -> None:
        """Every annotation reaches its place, and counts more than the configuration."""
        annotated = service(
            qps="100",
            burst="10",
            inbound_qps="50.5",
            inbound_burst="5",
            lb="leastrequest",
            protocol="redis",
            timeout="2.5",
            retries="false",
        )
        policy = policyFor({"web.default": {"retries": True, "protocol": "tcp"}}, annotated, PORT)
        self.assertEqual(policy.qps, QPS(Limit(100, 10), Limit(50.5, 5)))
        self.assertEqual(policy.loadBalance.policy, "leastrequest")
        self.assertEqual(policy.timeouts.response, 2.5)
        self.assertEqual((policy.protocol, policy.retries), ("redis", False))

    def test_burstAlone(self) -> None:
        """A burst refines a limit from elsewhere and means nothing without one."""
        limited = {"*": {"qps": {"outbound": {"limit": 5}}}}
        self.assertEqual(policyFor(limited, service(burst="7"), PORT).qps, QPS(Limit(5, 7)))
        self.assertEqual(policyFor({}, service(burst="7"), PORT).qps, QPS())

    def test_opaquePorts(self) -> None:
        """A port that is named opaque is plain TCP whatever else is said."""
        annotated = service(opaque_ports="80, 3306", protocol="http")
        self.assertEqual(policyFor({}, annotated, PORT).protocol, "tcp")
        self.assertEqual(policyFor({}, annotated, ServicePort(81)).protocol, "http")

    def test_appProtocol(self) -> None:
        """Kubernetes' names for protocols mean ours; others are taken as they are."""
        meant = {
            "http": "http",
            "https": "tls",
            "tls": "tls",
            "grpc": "grpc",
            "kubernetes.io/h2c": "grpc",
            "kubernetes.io/ws": "http",
            "kubernetes.io/wss": "tls",
            "tcp": "tcp",
            "example.com/Own": "example.com/Own",
        }
        found = {
            name: policyFor({}, service(), ServicePort(80, appProtocol=name)).protocol
            for name in meant
        }
        self.assertEqual(found, meant)

    def test_policyOverAppProtocol(self) -> None:
        """A configured protocol counts more than the Service's claim."""
        policies = {"web.default": {"protocol": "tcp"}}
        found = policyFor(policies, service(), ServicePort(80, appProtocol="http"))
        self.assertEqual(found.protocol, "tcp")


class ReadAnnotationsTests(SynchronousTestCase):
    """Annotations that cannot be used."""

    def test_problems(self) -> None:
        """Each wrong annotation is named with what was expected, and has no effect."""
        wrong = service(
            qps="many",
            burst="0",
            lb="fastest",
            protocol="No Such",
            timeout="nan",
            retries="twice",
            opaque_ports="80,http",
        )
        found = readAnnotations(wrong.annotations)
        self.assertEqual(found.patch, {})
        self.assertEqual(len(found.problems), 7)
        self.assertEqual(
            found.problems[0], "edgemesh.io/qps: expected a number above 0, found 'many'"
        )
        self.assertEqual(policyFor({}, wrong, PORT), Policy())

    def test_others(self) -> None:
        """Annotations of other parts are none of the policy's business."""
        self.assertEqual(readAnnotations({"edgemesh.io/weight": "x", "a/qps": "y"}).problems, ())

    names = ("qps", "burst", "inbound_qps", "lb", "protocol", "timeout", "retries", "opaque_ports")

    @settings(derandomize=True, max_examples=60, deadline=None, database=None)
    @given(st.dictionaries(st.sampled_from(names), st.text(max_size=8)))
    def test_anything(self, annotations: dict[str, str]) -> None:
        """Whatever annotations say, there is a policy."""
        self.assertIsInstance(policyFor({}, service(**annotations), PORT), Policy)


class HashKeyTests(SynchronousTestCase):
    """What consistent hashing looks at."""

    def test_exactlyOne(self) -> None:
        """None of the three, or two of them, are refused."""
        for keys in ({}, {"header": "a", "cookie": "b"}):
            error = self.assertRaises(msgspec.ValidationError, msgspec.convert, keys, HashKey)
            self.assertIn("expected exactly one of header, cookie, source", str(error))
