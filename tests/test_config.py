"""Tests for edgemesh.config."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import msgspec
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.config import LIVE_KEYS, Config, Handlers, Listener, changedKeys, load, withLiveKeys
from edgemesh.errors import ConfigurationError
from edgemesh.meta.files import ManifestFolder
from edgemesh.meta.model import Service, ServicePort
from edgemesh.meta.policy import Limit, Policy, policyFor
from edgemesh.protocols.limits import Limits

CONF = Path(__file__).parent.parent / "conf"
HOME = {"HOME": "/home/me"}


def hostName() -> str:
    """The machine's name."""
    return "Edge-1"


def ordinary() -> int:
    """An ordinary user."""
    return 1000


class _Loading(SynchronousTestCase):
    """Configuration files and what becomes of them."""

    def setUp(self) -> None:
        self.path = self.mktemp()

    def load(self, text: str) -> Config:
        """The configuration that a file with this text gives."""
        Path(self.path).write_text(text, "utf-8")
        return load(self.path, HOME, hostName, ordinary)

    def line(self, text: str) -> str:
        """What is said of a file with this text, without the file."""
        line = str(self.assertRaises(ConfigurationError, self.load, text))
        self.assertTrue(line.isprintable(), line)
        self.assertTrue(line.startswith(f"{self.path}: "), line)
        return line.removeprefix(f"{self.path}: ")


class LoadTests(_Loading):
    """A good file -> a Config."""

    def test_withoutFile(self) -> None:
        """Without a file there is a proxy and the admin, on loopback, as any user."""
        config = load(None, HOME, hostName, ordinary)
        self.assertEqual(
            config,
            Config(
                node="edge-1",
                state="/home/me/.local/state/edgemesh",
                manifests="/home/me/.local/state/edgemesh/services.d",
            ),
        )
        self.assertEqual(
            config.listeners, (Listener(listen="tcp:18081:interface=127.0.0.1", proxy=True),)
        )
        self.assertEqual(config.admin, "tcp:15000:interface=127.0.0.1")

    def test_empty(self) -> None:
        """An empty file means the defaults, as none does."""
        self.assertEqual(self.load("# nothing\n"), load(None, HOME, hostName, ordinary))

    def test_stateDirectory(self) -> None:
        """State is where the system wants it: by user, by XDG, for root."""

        def state(user: int, **environ: str) -> str:
            return load(None, {**HOME, **environ}, hostName, lambda: user).state

        self.assertEqual(state(0, XDG_STATE_HOME="/x"), "/var/lib/edgemesh")
        self.assertEqual(state(1000, XDG_STATE_HOME="/x"), "/x/edgemesh")
        self.assertEqual(state(1000, XDG_STATE_HOME="x"), "/home/me/.local/state/edgemesh")

    def test_paths(self) -> None:
        """Paths are relative to where the node is started; the home may be meant."""
        config = self.load("state: ~/s\nmanifests: conf/services.d\naccessLog: a.log")
        self.assertEqual(config.state, "/home/me/s")
        self.assertEqual(config.manifests, os.path.abspath("conf/services.d"))
        self.assertEqual(config.accessLog, os.path.abspath("a.log"))

    def test_manifestsInState(self) -> None:
        """Who moves the state moves the default folder of services with it."""
        self.assertEqual(self.load("state: /var/s").manifests, "/var/s/services.d")

    def test_accessLogOut(self) -> None:
        """The access log may go to standard output, or nowhere."""
        self.assertEqual(self.load("accessLog: '-'").accessLog, "-")
        self.assertEqual(self.load("accessLog: ''").accessLog, "")

    def test_everything(self) -> None:
        """Every part arrives as its type."""
        config = self.load(
            "node: n\nprotocols: [redis, http, tcp]\nnamespace: shop\nclusterDomain: mesh.local\n"
            "listeners:\n- {listen: 'tcp:0', service: web}\n- {listen: 'unix:/a', proxy: true}\n"
            "handlers: {outbound: [router, audit]}\ntransportServers: {http: 'tcp:15006'}\n"
            "limits: {head: 1000, grace: 5}\nforwardedFor: off\nvia: false\n"
            "policies: {web.shop:80: {retries: false}}\n"
        )
        self.assertEqual(config.protocols, ("redis", "http", "tcp"))
        self.assertEqual(config.listeners[0], Listener(listen="tcp:0", service="web"))
        self.assertEqual(config.handlers, Handlers(outbound=("router", "audit")))
        self.assertEqual(config.limits, Limits(head=1000, grace=5))
        self.assertEqual((config.forwardedFor, config.via), ("off", False))
        self.assertEqual(config.policies, {"web.shop:80": {"retries": False}})

    def test_services(self) -> None:
        """A service may be written as callers write it."""
        for name in (
            "web",
            "web:80",
            "web.shop:http",
            "web.shop.svc",
            "web.shop.svc.cluster.local:80",
        ):
            config = self.load(f"listeners: [{{listen: 'tcp:0', service: '{name}'}}]")
            self.assertEqual(config.listeners[0].service, name)

    def test_changedKeys(self) -> None:
        """A reload knows what changed, and whether that can count at once."""
        old = self.load("")
        new = self.load("limits: {head: 5}\nadmin: tcp:1")
        self.assertEqual(changedKeys(old, old), frozenset())
        self.assertEqual(changedKeys(old, new), {"limits", "admin"})
        self.assertEqual(changedKeys(old, new) - LIVE_KEYS, {"limits", "admin"})

    def test_withLiveKeys(self) -> None:
        """A reload puts in force what may change, and nothing else."""
        old = self.load("admin: tcp:2")
        new = self.load("admin: tcp:1\npolicies: {'*': {retries: false}}")
        mixed = withLiveKeys(old, new)
        self.assertEqual((mixed.admin, mixed.policies), ("tcp:2", {"*": {"retries": False}}))


class RefusedTests(_Loading):
    """A wrong file -> one line."""

    def test_files(self) -> None:
        """A file that cannot be read is named with the reason."""
        missing = str(self.assertRaises(ConfigurationError, load, "no.yaml", HOME))
        self.assertEqual(
            missing, "no.yaml: expected a file that can be read, found: No such file or directory"
        )
        folder = str(self.assertRaises(ConfigurationError, load, str(CONF), HOME))
        self.assertTrue(folder.endswith("found: Is a directory"))

    def test_notUTF8(self) -> None:
        """A file in another encoding is named."""
        Path(self.path).write_bytes(b"node: \xff")
        error = self.assertRaises(ConfigurationError, load, self.path, HOME)
        self.assertIn("expected UTF-8 text", str(error))

    def test_notYAML(self) -> None:
        """A slip of the pen is named with its line."""
        self.assertTrue(self.line("a: b: c").startswith("line 1: not YAML: "))

    def test_twice(self) -> None:
        """A key given twice is refused, since one of them would be lost."""
        self.assertEqual(
            self.line("node: a\nvia: true\nnode: b"),
            "line 3: expected each key once, found 'node' again",
        )

    def test_shape(self) -> None:
        """The file is one mapping."""
        self.assertEqual(self.line("- a"), "expected a mapping of keys, found a list")
        self.assertEqual(self.line("a"), "expected a mapping of keys, found 'a'")
        self.assertEqual(self.line("via: true\n---\n"), "expected one document, found 2")

    def test_unknownKey(self) -> None:
        """A key that does not exist is named together with those that do."""
        line = self.line("lisetners: []")
        self.assertTrue(line.startswith("lisetners: expected one of accessLog, admin, "), line)
        self.assertTrue(line.endswith(" found an unknown key"), line)
        self.assertIn("limits.heads: expected one of ", self.line("limits: {heads: 1}"))

    def test_lines(self) -> None:
        """Whatever is wrong: the key path, what was expected, what was found."""
        expected = {
            "node: on": "node: expected str that is a DNS name (a-z, 0-9, -, .; at most 253), "
            "found true (YAML reads on, off, yes and no as true and false; quote it)",
            "node: Edge": "node: expected str that is a DNS name (a-z, 0-9, -, .; at most 253), "
            "found 'Edge'",
            "state: ''": "state: expected a path, found ''",
            "via: 1": "via: expected true or false, found 1",
            "listeners: 5": "listeners: expected a list, found 5",
            "listeners: [{listen: 5}]": "listeners[0].listen: expected str, found 5 (quote it)",
            "listeners: [{}]": "listeners[0].listen: expected str, found nothing",
            "listeners: [{listen: 'tcp:1'}]": "listeners[0]: expected either service or "
            "proxy: true, found neither",
            "listeners: [{listen: 'tcp:1', service: a, proxy: true}]": "listeners[0]: expected "
            "either service or proxy: true, found both",
            "listeners: [{listen: 'tcp:1', service: 'a:0'}]": "listeners[0].service: expected "
            "a service such as web.default:80, found 'a:0'",
            "admin: localhost": "admin: expected an endpoint such as "
            "tcp:18080:interface=127.0.0.1, found 'localhost'",
            "admin: tcp:99999": "admin: expected tcp:PORT or tcp:PORT:interface=ADDRESS, "
            "with PORT from 0 to 65535, found 'tcp:99999'",
            "admin: tcp:18081": "admin: expected an address of its own, found 'tcp:18081' "
            "as at listeners[0].listen",
            "transportServers: {http: 'tcp:15000'}": "transportServers.http: expected an address "
            "of its own, found 'tcp:15000' as at admin",
            "transportServers: {htp: 'tcp:1'}": "transportServers.htp: expected one of http, "
            "grpc, tls, tcp, which are the protocols, found 'htp'",
            "policies: {a.b: {protocol: htp}}": "policies.a.b.protocol: expected one of http, "
            "grpc, tls, tcp, which are the protocols, found 'htp'",
            "policies: {'a.b:080': {}}": "policies: expected *, web.default or web.default:80 "
            "as keys, found 'a.b:080'",
            "policies: {'*': {loadBalance: {hash: {header: 'X: Y'}}}}": "policies.*.loadBalance."
            "hash.header: expected a field or cookie name, found 'X: Y'",
            "listeners: [{listen: 'tcp:1', service: 'a:080'}]": "listeners[0].service: expected "
            "a service such as web.default:80, found 'a:080'",
            "listeners: [{listen: 'tcp:1', service: a.b.c}]": "listeners[0].service: expected "
            "a service such as web.default:80, found 'a.b.c'",
            "listeners: [{listen: 'tcp:1', service: a.b.svc.mesh.local}]": "listeners[0].service: "
            "expected a service such as web.default:80, found 'a.b.svc.mesh.local'",
            "protocols: []": "protocols: expected at least one, found none",
            "protocols: [http, http]": "protocols[1]: expected each name once, found 'http' again",
            "protocols: [tcp, http]": "protocols: expected tcp last, since it takes everything, "
            "found more after it",
            "handlers: {outbound: [qps]}": "handlers.outbound[0]: expected 'router', found 'qps'",
            "handlers: {inbound: [qps, qps]}": "handlers.inbound[1]: expected each name once, "
            "found 'qps' again",
            "handlers: {outbound: [router, bizkeeper, loadbalance]}": "handlers.outbound[1]: "
            "expected bizkeeper after loadbalance, whose endpoint it guards, "
            "found it before",
            "handlers: {inbound: [loadbalance]}": "handlers.inbound[0]: expected no handler "
            "that chooses, since the app is known by then, found 'loadbalance'",
            "limits: {grace: -1}": "limits.grace: expected number above 0 to 86400, found -1",
            "policies: {web: {}}": "policies: expected *, web.default or web.default:80 as keys, "
            "found 'web'",
            "policies: {'*': {qps: {outbound: {burst: 1}}}}": "policies.*.qps.outbound.limit: "
            "expected number above 0 to 1000000000, found nothing",
        }
        self.assertEqual({text: self.line(text) for text in expected}, expected)

    @settings(derandomize=True, max_examples=60, deadline=None, database=None)
    @given(
        st.dictionaries(
            st.sampled_from([*Config.__struct_fields__, "x"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=6),
                lambda inner: (
                    st.lists(inner, max_size=2)
                    | st.dictionaries(
                        st.sampled_from(["listen", "service", "*", "a.b", "outbound", "qps"]), inner
                    )
                ),
                max_leaves=6,
            ),
            max_size=3,
        )
    )
    def test_anything(self, value: dict[str, Any]) -> None:
        """Any value is a configuration, or one line."""
        text = yaml.safe_dump(value, allow_unicode=True)
        try:
            self.load(text)
        except ConfigurationError as error:
            self.assertTrue(str(error).isprintable(), str(error))


def keysOf(value: object, path: str = "") -> set[str]:
    """The path of every key of nested settings."""
    found: set[str] = set()
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    for key, member in value.items() if isinstance(value, dict) else ():
        found |= {path + key} | keysOf(member, f"{path}{key}.")
    return found


class ShippedTests(_Loading):
    """conf/edgemesh.yaml, which shows every key with its default."""

    text = (CONF / "edgemesh.yaml").read_text("utf-8")

    def uncommented(self) -> str:
        """The defaults, with the nested lines that belong to them."""
        kept: list[str] = []
        inside = False
        for line in self.text.splitlines():
            begins = re.match(r"#[a-zA-Z]", line) is not None
            inside = begins or (inside and line.startswith("#  "))
            if inside:
                kept.append(line[1:])
        return "\n".join(kept)

    def test_loads(self) -> None:
        """It works as it is, and its services have endpoints."""
        config = load(str(CONF / "edgemesh.yaml"), HOME, hostName, ordinary)
        self.assertEqual(config.listeners[0].service, "web.default:80")
        self.assertEqual(config.manifests, os.path.abspath("conf/services.d"))
        folder = ManifestFolder(str(CONF / "services.d"))
        folder.look()
        self.assertEqual(folder.problems, {})
        for service in folder.metadata.services.values():
            self.assertIn(
                f"{service.name}.{service.namespace}:{service.ports[0].port}",
                folder.metadata.endpoints,
            )

    def test_defaults(self) -> None:
        """Every key is there with its default, and no other."""
        given = yaml.safe_load(self.uncommented())
        self.assertEqual(set(given), set(Config.__struct_fields__))
        loaded = self.load(self.uncommented())
        default = load(None, HOME, hostName, ordinary)
        self.assertEqual(changedKeys(loaded, default), {"policies"})
        self.assertEqual(keysOf(given["limits"]), keysOf(Limits()))
        self.assertEqual(keysOf(given["handlers"]), keysOf(Handlers()))

    def test_policies(self) -> None:
        """Every key of a policy is there with its default, too."""
        policies = self.load(self.uncommented()).policies
        service = Service("default", "web", ())
        self.assertEqual(policyFor(policies, service, ServicePort(80)), Policy())
        self.assertEqual(keysOf(policies["*"]), keysOf(Policy()))
        for key in keysOf(Limit(1)):
            self.assertIn(f"{key}: 10", self.text)
