"""Tests of how names find service ports."""

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.errors import NO_ROUTE, Refused
from edgemesh.handlers.router import LONGEST_NAME, RouterHandler
from edgemesh.handlers.routes import Route, RouteTable
from edgemesh.interfaces import IIncrementalRouter, INameIndex, Side
from edgemesh.meta.model import Metadata, Service, ServicePort
from tests.handlers.samples import call, policy


def service(
    name: str, *ports: int, namespace: str = "default", addresses: tuple[str, ...] = ()
) -> Service:
    """A Service with these ports."""
    return Service(namespace, name, tuple(ServicePort(p, f"p{p}") for p in ports), addresses)


SERVICES = (
    service("b", 80, 9000, addresses=("10.96.0.10", "fd00:0::10")),
    service("b", 80, namespace="shop"),
    service("secure", 443, 80),
    service("odd", 8443),
    service("mail", 25, 587),
)


def routes(*services: Service) -> Mapping[str, Route]:
    """The Routes of these Services."""
    known = {(s.namespace, s.name): s for s in services}
    return RouteTable("here").apply(Metadata(known), lambda s, p: policy())


class RouterCase(SynchronousTestCase):
    """Look-ups among :data:`SERVICES`."""

    handler = RouterHandler()

    def setUp(self) -> None:
        self.find = self.handler.index(routes(*SERVICES), Metadata())

    def key(self, name: bytes, **fields: object) -> str:
        """Where a name leads."""
        return self.find(call(name=name, **fields)).key

    def refusal(self, name: bytes, **fields: object) -> Refused:
        """Why a name leads nowhere."""
        refusal = self.assertRaises(Refused, self.key, name, **fields)
        self.assertIs(refusal.failure, NO_ROUTE)
        return refusal


class NameTests(RouterCase):
    """Names that are known."""

    def test_interfaces(self) -> None:
        """The handler keeps to its joint and makes no stage."""
        verifyObject(IIncrementalRouter, self.handler)
        [route] = routes(service("b", 80)).values()
        self.assertIsNone(self.handler.compose(route, Side.OUTBOUND, None))

    def test_forms(self) -> None:
        """Every form of a name is understood, with and without the port."""
        for form in (b"b", b"b.default", b"b.default.svc", b"b.default.svc.cluster.local"):
            self.assertEqual(self.key(form), "b.default:80")
            self.assertEqual(self.key(form + b":80"), "b.default:80")
            self.assertEqual(self.key(form + b":9000"), "b.default:9000")

    def test_otherNamespace(self) -> None:
        """A Service of another namespace is reached by its longer names only."""
        for form in (b"b.shop", b"b.shop.svc", b"b.shop.svc.cluster.local:80"):
            self.assertEqual(self.key(form), "b.shop:80")
        find = self.handler.configured("shop", "cluster.local").index(routes(*SERVICES), Metadata())
        self.assertEqual(find(call(name=b"b")).key, "b.shop:80")
        self.assertRaises(Refused, find, call(name=b"odd:8443"))

    def test_otherDomain(self) -> None:
        """The cluster's domain can be another one."""
        find = RouterHandler(domain="edge.example.").index(routes(*SERVICES), Metadata())
        self.assertEqual(find(call(name=b"b.shop.svc.edge.example")).key, "b.shop:80")
        self.assertRaises(Refused, find, call(name=b"b.shop.svc.cluster.local"))

    def test_spelling(self) -> None:
        """Case, one final dot and leading zeros of the port make no difference."""
        for name in (b"B", b"b.", b"B.Default.SVC.", b"b:080", b"b.:80", b"b.default.:00080"):
            self.assertEqual(self.key(name), "b.default:80")

    def test_addresses(self) -> None:
        """A Service's own address is a name of it, however it is spelled."""
        self.assertEqual(self.key(b"10.96.0.10"), "b.default:80")
        self.assertEqual(self.key(b"10.96.0.10:9000"), "b.default:9000")
        for name in (b"[fd00::10]", b"[FD00:0:0::10]:80", b"[fd00:0000::0010]"):
            self.assertEqual(self.key(name), "b.default:80")

    def test_defaultPort(self) -> None:
        """A name without port means the port of where it was said."""
        self.assertEqual(self.key(b"secure", defaultPort=443), "secure.default:443")
        self.assertEqual(self.key(b"Secure.", defaultPort=443), "secure.default:443")
        self.assertEqual(self.key(b"secure"), "secure.default:80")

    def test_listener(self) -> None:
        """A listener's own service has the last word, whatever the Host says."""
        self.assertEqual(self.key(b"b.shop", asked="odd.default:8443"), "odd.default:8443")
        self.assertEqual(self.key(b"", asked="mail.default:25"), "mail.default:25")
        self.assertEqual(self.key(b"\xff@evil", asked="mail.default:25"), "mail.default:25")

    def test_sharedAddress(self) -> None:
        """Two Services with one address: the same one gets the calls every time."""
        twins = [service(name, 80, addresses=("10.96.0.1",)) for name in ("y", "x")]
        for order in (twins, twins[::-1]):
            find = self.handler.index(routes(*order), Metadata())
            self.assertEqual(find(call(name=b"10.96.0.1")).key, "x.default:80")


class SNITests(RouterCase):
    """Names without a port, as TLS clients send them."""

    def sni(self, name: bytes) -> str:
        return self.key(name, protocol="tls", defaultPort=443)

    def test_443(self) -> None:
        """443 if the Service has it."""
        self.assertEqual(self.sni(b"secure.default"), "secure.default:443")

    def test_onlyPort(self) -> None:
        """Else the only port there is."""
        self.assertEqual(self.sni(b"odd"), "odd.default:8443")
        self.assertEqual(self.sni(b"ODD.default.svc."), "odd.default:8443")

    def test_unclear(self) -> None:
        """Of several other ports none is guessed; and HTTP never guesses."""
        self.refusal(b"mail", protocol="tls", defaultPort=443)
        self.refusal(b"odd")


class RefusalTests(RouterCase):
    """Names that lead nowhere."""

    def test_unknown(self) -> None:
        """Only known names lead anywhere: no address, no outside name, no near miss."""
        unknown = [
            *(b"localhost", b"127.0.0.1", b"169.254.169.254", b"[::1]", b"[::ffff:10.96.0.10]"),
            *(b"10.96.10", b"0x0a.96.0.10", b"example.com", b"c", b"c.default", b"b.other"),
            *(b"b.default.svc.cluster.local.evil.example", b"b.default.svc.cluster", b"svc"),
        ]
        for name in unknown:
            self.assertIn("no such Service", self.refusal(name).detail)

    def test_wrongPort(self) -> None:
        """The port must be one of the Service's, exactly."""
        for name in (b"b:81", b"b:0", b"b:65536", b"b:99999", b"secure:8443", b"mail"):
            self.assertIn("no such port", self.refusal(name).detail)

    def test_garbage(self) -> None:
        """What is no host name is refused as such."""
        garbage = [
            *(b"b:", b"b:x", b"b:8 0", b"b:-80", b"b:+80", b"b:800000", b"b:80:80", b":80", b"."),
            *(b"b..", b".b", b"b/x", b"b b", b" b", b"b\t", b"b\x00", b"b\r\n", b"b,b", b"[x]"),
            *(b"[fd00::10", b"fd00::10", b"[fd00::10%1]", b"[]", b"[fd00::10].", b"b\xc2\xb7"),
        ]
        for name in garbage:
            self.assertIn("not a host name", self.refusal(name).detail, name)
        self.assertEqual(self.refusal(b"[b]").detail, "no such Service: '[b]'")
        self.assertEqual(self.refusal(b"[:::]").detail, "no such Service: '[:::]'")
        self.assertEqual(self.refusal(b"").detail, "the caller named no host")

    def test_userInformation(self) -> None:
        """A name with user information is refused, and no password reaches a log."""
        for name in (b"b@evil", b"user:secret@b", b"secret@b:80", b"a@secret@b"):
            self.assertNotIn("secret", self.refusal(name).detail)

    def test_long(self) -> None:
        """A name of more than 255 bytes is not looked at, and shown in part."""
        for name in (b"b" * (LONGEST_NAME + 1), b"a." * 5000, b"\xff" * 60_000):
            detail = self.refusal(name).detail
            self.assertIn("longer than 255 bytes", detail)
            self.assertLess(len(detail), 400)
            self.assertTrue(detail.endswith("..."))
        self.assertIn("no such Service", self.refusal(b"b" * LONGEST_NAME).detail)

    def test_escaped(self) -> None:
        """What a caller sent cannot forge a line of the log."""
        detail = self.refusal(b"b\r\nforged: \x1b[31mline").detail
        self.assertTrue(detail.isprintable(), detail)

    def test_listenerUnknown(self) -> None:
        """A listener whose service is not there leads nowhere, not to the Host's."""
        self.assertIn("gone.default:80", self.refusal(b"b", asked="gone.default:80").detail)

    def test_nothingRemembered(self) -> None:
        """Look-ups leave the index as it was, whatever is asked."""
        index = self.find.__self__  # type: ignore[attr-defined]
        sizes = [len(index._whole), len(index._bare), len(index._bare[80])]
        for n in range(200):
            self.refusal(b"name-%d" % n, defaultPort=n + 1000)
            self.key(b"B.", defaultPort=80)
        now = [len(index._whole), len(index._bare), len(index._bare[80])]
        self.assertEqual(now, sizes)


class AnyNameTests(RouterCase):
    """Names of every kind."""

    @settings(derandomize=True, max_examples=150, deadline=None)
    @given(
        st.one_of(
            st.binary(max_size=300),
            st.text("bB.:@[]0189afsvc-", max_size=30).map(str.encode),
        ),
        st.sampled_from([80, 443, 9000]),
        st.sampled_from(["http", "tls"]),
    )
    def test_knownOrRefused(self, name: bytes, port: int, protocol: str) -> None:
        """A name leads to a known service port that it names, or is refused; nothing else."""
        try:
            route = self.find(call(name=name, defaultPort=port, protocol=protocol))
        except Refused as refusal:
            self.assertIs(refusal.failure, NO_ROUTE)
            self.assertTrue(refusal.detail.isprintable())
        else:
            host = name.lower()
            names = (route.service.name.encode(), b"10.96.0.10", b"[fd00:")
            self.assertTrue(host.startswith(names), name)


#: Services that come and go: the same names, other ports and addresses.
_VERSIONS = st.sampled_from(
    [
        service(name, *ports, addresses=addresses)
        for name in ("x", "y", "z")
        for ports in ((80,), (80, 443), (8443,))
        for addresses in ((), ("10.96.0.1",), ("10.96.0.1", "10.96.0.2"))
    ]
)
_ASKED = [
    *(b"x", b"y:80", b"z.default", b"10.96.0.1", b"10.96.0.2:80", b"10.96.0.1:443"),
    *(b"X.", b"10.96.0.1:080", b"y.default.svc:8443", b"Z:443"),
]


class ChangeTests(SynchronousTestCase):
    """Names after some Services came and others went."""

    handler = RouterHandler()

    def leads(self, index: INameIndex) -> list[str]:
        """Where each name leads."""
        found = []
        for name in _ASKED:
            for protocol, port in (("http", 80), ("tls", 443)):
                try:
                    found.append(
                        index.find(call(name=name, protocol=protocol, defaultPort=port)).key
                    )
                except Refused as refusal:
                    found.append(refusal.detail)
        return found

    @settings(derandomize=True, max_examples=100, deadline=None, database=None)
    @given(st.lists(st.tuples(_VERSIONS, st.booleans()), max_size=10))
    def test_likeNew(self, steps: list[tuple[Service, bool]]) -> None:
        """They lead where they would if everything was prepared anew."""
        index = self.handler.indexed({}, Metadata())
        verifyObject(INameIndex, index)
        known: dict[str, Service] = {}
        former: Mapping[str, Route] = {}
        for one, goes in steps:
            known.pop(one.name, None)
            if not goes:
                known[one.name] = one
            current = routes(*known.values())
            keys = [key for key in {**former, **current} if key.startswith(f"{one.name}.")]
            unchanged = {key: route for key, route in former.items() if key not in keys}
            current = {key: unchanged.get(key, route) for key, route in current.items()}
            index.prepare(current, keys)
            index.prepare(current, keys)()
            former = current
            fresh = self.handler.indexed(current, Metadata())
            self.assertEqual(self.leads(index), self.leads(fresh))
            for name in ("_whole", "_bare", "_routes"):
                self.assertEqual(getattr(index, name), getattr(fresh, name))
            self.assertEqual(index._contested, fresh._contested)

    def test_sharedAddressFreed(self) -> None:
        """When the Service that had a shared address goes, the other one gets the calls."""
        twins = [service(name, 80, addresses=("10.96.0.1",)) for name in ("x", "y")]
        index = self.handler.indexed(routes(*twins), Metadata())
        index.prepare(routes(twins[1]), ["x.default:80"])()
        self.assertEqual(index.find(call(name=b"10.96.0.1")).key, "y.default:80")
