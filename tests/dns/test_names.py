"""The mesh's names, as apps ask for them."""

from dataclasses import replace
from ipaddress import ip_network

import dns.reversename
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.dns.answers import Answer
from edgemesh.dns.names import Directory, Zone
from edgemesh.dns.packets import NAME_ERROR, NO_ERROR, SERVER_FAILURE
from edgemesh.dns.queries import readQuery
from edgemesh.dns.virtual import MemoryListenerRows, VirtualAddresses, holdersIn
from edgemesh.meta.model import Metadata, Pod
from tests.dns.net import lines, meshOf, query, read

FULL = "svc.cluster.local"


class DirectoryTestCase(SynchronousTestCase):
    """A directory of :func:`meshOf`, and questions to it."""

    zone = Zone()
    network = "198.18.0.0/15"

    def setUp(self) -> None:
        self.use(meshOf())

    def use(self, metadata: Metadata, known: bool = True) -> None:
        """Ask about this from now on."""
        self.virtual = VirtualAddresses(ip_network(self.network), MemoryListenerRows())  # type: ignore[arg-type]
        self.virtual.update(holdersIn(metadata, self.zone.podAddresses), 0.0)
        self.directory = Directory(metadata, self.virtual, self.zone, known)

    def ask(self, name: str, kind: str = "A", namespace: str = "") -> Answer | None:
        """The answer, if the name is the mesh's."""
        return self.directory.answer(query(name, kind), namespace)

    def told(self, name: str, kind: str = "A", namespace: str = "") -> list[str]:
        """The values in the answer section."""
        answer = self.ask(name, kind, namespace)
        assert answer is not None, name
        self.assertEqual(answer.code, NO_ERROR, name)
        return [line.split(" ", 4)[4] for line in lines(answer.reply(query(name, kind), 1232))]

    def code(self, name: str, kind: str = "A", namespace: str = "") -> int | None:
        """The response code; None for somebody else's name."""
        answer = self.ask(name, kind, namespace)
        return None if answer is None else answer.code

    def v(self, holder: str) -> str:
        """A holder's virtual address."""
        return self.virtual.addresses[holder]


class ServiceTests(DirectoryTestCase):
    """Services with cluster IPs."""

    def test_everyForm(self) -> None:
        """Each form of a Service's name answers with its cluster IP, in any spelling."""
        for name in (
            "web",
            "web.default",
            "web.default.svc",
            f"web.default.{FULL}",
            f"WEB.Default.{FULL.upper()}",
        ):
            self.assertEqual(self.told(name), ["10.96.0.7"], name)

    def test_callersNamespace(self) -> None:
        """A bare name is meant in the caller's own namespace, and nowhere else."""
        self.assertEqual(self.told("web", namespace="shop"), ["10.96.1.7"])
        self.assertIsNone(self.ask("old", namespace="shop"))

    def test_otherDomain(self) -> None:
        """The cluster's domain can be another one."""
        directory = replace(self.directory, zone=Zone(domain="Edge.Example."))
        found = directory.answer(query("web.default.svc.edge.example"))
        assert found is not None
        self.assertEqual(found.code, NO_ERROR)
        self.assertIsNone(directory.answer(query(f"web.default.{FULL}")))

    def test_missingType(self) -> None:
        """A name without such a record says that there is none, and for how long; it exists."""
        for name, kind in (
            ("old", "AAAA"),
            ("six", "A"),
            ("web", "TXT"),
            (f"old.default.{FULL}", "AAAA"),
        ):
            answer = self.ask(name, kind)
            assert answer is not None
            reply = read(answer.reply(query(name, kind), 512))
            self.assertEqual((answer.code, reply.answer, answer.lifetime), (NO_ERROR, [], 5))
            self.assertEqual(reply.authority[0].rdtype, 6)

    def test_bothVersions(self) -> None:
        """AAAA is answered when there is one."""
        self.assertEqual(self.told("web", "AAAA"), ["fd00:96::7"])
        self.assertEqual(self.told("six", "AAAA"), ["fd00:96::9"])

    def test_unknown(self) -> None:
        """A name that could only be ours and is none is denied at once."""
        for name in (
            "no.default.svc",
            f"web.none.{FULL}",
            f"x.web.default.{FULL}",
            f"no.web.default.{FULL}",
            "cluster.local.cluster.local",
            "x.cluster.local",
            "_http._tcp.no.default.svc",
            f"_no._tcp.web.default.{FULL}",
            f"_http._udp.web.default.{FULL}",
            f"a._http._tcp.web.default.{FULL}",
        ):
            self.assertEqual(self.code(name), NAME_ERROR, name)

    def test_notOurs(self) -> None:
        """Every other name is somebody else's, whatever it begins with."""
        for name in (
            "example.com",
            "www.default.com",
            "web.lan",
            "local",
            "unknown",
            ".",
            "web.default.org",
            "svc.example.com",
            "4.3.2.1.in-addr.arpa",
            "home.arpa",
        ):
            self.assertIsNone(self.ask(name), name)

    def test_namesAbove(self) -> None:
        """A name with others below it exists: nobody may conclude that those do not."""
        for name in (
            "cluster.local",
            FULL,
            f"default.{FULL}",
            "svc",
            "shop.svc",
            f"_tcp.web.default.{FULL}",
        ):
            self.assertEqual(self.told(name), [], name)
        self.assertEqual(self.code(f"none.{FULL}"), NAME_ERROR)

    def test_zone(self) -> None:
        """The zone says who vouches for it."""
        self.assertIn("ns.dns.cluster.local.", self.told("cluster.local", "SOA")[0])
        self.assertEqual(self.told(f"web.default.{FULL}", "SOA"), [])

    def test_notKnownYet(self) -> None:
        """Before metadata is there nothing is denied: callers may ask again."""
        self.use(Metadata(), known=False)
        for name in ("web", "web.default.svc", f"web.default.{FULL}"):
            self.assertEqual(self.code(name), SERVER_FAILURE, name)
        self.assertIsNone(self.ask("example.com"))


class SearchListTests(DirectoryTestCase):
    """What a stub makes of a name with its search list."""

    SEARCH = (f"default.{FULL}", FULL, "cluster.local", "lan")

    def walk(self, name: str, dotsFirst: int = 5) -> list[str]:
        """What an app gets, with ``ndots`` as in a pod; every step before is denied at once."""
        listed = [f"{name}.{domain}" for domain in self.SEARCH]
        order = [*listed, name] if name.count(".") < dotsFirst else [name, *listed]
        for each in order:
            code = self.code(each)
            if code == NO_ERROR:
                return self.told(each)
            # Only a site's own search domain is anybody else's to answer.
            self.assertTrue(code == NAME_ERROR or each.endswith(".lan"), each)
        return []

    def test_everyForm(self) -> None:
        """Every form of a name leads to its cluster IP."""
        for name in ("web", "web.default", "web.default.svc", f"web.default.{FULL}"):
            for dotsFirst in (1, 5):
                self.assertEqual(self.walk(name, dotsFirst), ["10.96.0.7"], name)

    def test_fullNameAndSearchDomain(self) -> None:
        """A full name with any search domain behind it is denied without asking anybody."""
        full = f"web.default.{FULL}"
        for domain in (*self.SEARCH, "corp.example"):
            self.assertEqual(self.code(f"{full}.{domain}"), NAME_ERROR, domain)

    def test_foreignName(self) -> None:
        """A foreign name with a search domain of ours is denied from memory."""
        for domain in self.SEARCH[:3]:
            self.assertEqual(self.code(f"www.example.com.{domain}"), NAME_ERROR)


class HeadlessTests(DirectoryTestCase):
    """Services without a cluster IP."""

    def test_pods(self) -> None:
        """A headless name answers with the virtual address of every pod that is ready."""
        expected = [self.v("default.db.db-0"), self.v("default.db.db-1")]
        self.assertEqual(self.told("db"), expected)
        self.assertEqual(self.told("db", "AAAA"), [])

    def test_turns(self) -> None:
        """Pods take turns in being told first."""
        first = set()
        for turn in range(4):
            answer = self.directory.answer(query("db"), turn=turn)
            assert answer is not None
            first.add(lines(answer.reply(query("db"), 512))[0])
        self.assertEqual(len(first), 2)

    def test_onePod(self) -> None:
        """Each pod has a name, ready or not."""
        for pod in ("db-0", "db-2"):
            for form in ("svc", FULL):
                self.assertEqual(
                    self.told(f"{pod}.db.default.{form}"), [self.v(f"default.db.{pod}")]
                )

    def test_noPods(self) -> None:
        """A Service without cluster IP and without pods has one virtual address."""
        self.assertEqual(self.told("own"), [self.v("default.own")])

    def test_noneReady(self) -> None:
        """With no pod ready, the Service's own address leads to a clear refusal."""
        mesh = meshOf()
        gone = tuple(replace(each, ready=False) for each in mesh.endpoints["db.default:5432"])
        self.use(replace(mesh, endpoints={"db.default:5432": gone}))
        self.assertEqual(self.told("db"), [self.v("default.db")])

    def test_ports(self) -> None:
        """SRV tells every pod with the port to call, and the addresses with it."""
        name = f"_pg._tcp.db.default.{FULL}"
        self.assertEqual(
            self.told(name, "SRV"),
            [f"0 100 5432 {pod}.db.default.{FULL}." for pod in ("db-0", "db-1")],
        )
        answer = self.ask(name, "SRV")
        assert answer is not None
        extra = read(answer.reply(query(name, "SRV"), 1232)).additional
        self.assertEqual(
            [each[0].address for each in extra],
            [self.v(f"default.db.{p}") for p in ("db-0", "db-1")],
        )

    def test_portOfAService(self) -> None:
        """SRV of a Service with a cluster IP tells the Service."""
        told = self.told("_http._tcp.web.default.svc", "SRV")
        self.assertEqual(told, [f"0 100 80 web.default.{FULL}."])
        self.assertEqual(self.told("_http._tcp.web.default.svc"), [])


class PodAddressTests(DirectoryTestCase):
    """Pods told by their own addresses."""

    zone = Zone(podAddresses=True)

    def test_pods(self) -> None:
        """The pods' own addresses are told, with the ports they listen at."""
        self.assertEqual(self.told("db"), ["10.244.0.1", "10.244.0.2"])
        self.assertEqual(self.told("db-2.db.default.svc"), ["10.244.0.3"])
        ports = {line.split()[2] for line in self.told("_pg._tcp.db.default.svc", "SRV")}
        self.assertEqual(ports, {"15432"})
        self.assertNotIn("default.db.db-0", self.virtual.addresses)

    def test_reverse(self) -> None:
        """A pod's own address has its name."""
        self.assertEqual(self.told("1.0.244.10.in-addr.arpa", "PTR"), [f"db-0.db.default.{FULL}."])


class ExhaustedTests(DirectoryTestCase):
    """Too few virtual addresses."""

    network = "198.18.0.0/30"

    def test_failure(self) -> None:
        """A name without an address fails; it is not said not to exist."""
        self.assertEqual(
            self.virtual.lacking, ("default.db.db-1", "default.db.db-2", "default.own")
        )
        self.assertEqual(self.code("own"), SERVER_FAILURE)
        self.assertEqual(self.told("db"), [self.v("default.db.db-0")])


class ReverseTests(DirectoryTestCase):
    """Names of addresses."""

    def test_addresses(self) -> None:
        """Cluster IPs and virtual addresses have names."""
        names = {
            "10.96.0.7": f"web.default.{FULL}.",
            "fd00:96::7": f"web.default.{FULL}.",
            self.v("default.own"): f"own.default.{FULL}.",
            self.v("default.db.db-2"): f"db-2.db.default.{FULL}.",
        }
        for address, name in names.items():
            pointer = dns.reversename.from_address(address).to_text()
            self.assertEqual(self.told(pointer, "PTR"), [name])
            self.assertEqual(self.told(pointer, "TXT"), [])

    def test_free(self) -> None:
        """A virtual address that nobody has is denied: nobody else could know it."""
        free = dns.reversename.from_address("198.19.255.254").to_text()
        self.assertEqual(self.code(free, "PTR"), NAME_ERROR)


class CallerTests(DirectoryTestCase):
    """Who asks."""

    def test_pods(self) -> None:
        """A pod's address tells its namespace; any other address tells nothing."""
        pod = Pod("shop", "cart-1", addresses=("10.244.0.9", "fd00::9"))
        directory = replace(self.directory, metadata=Metadata(pods={("shop", "cart-1"): pod}))
        told = [directory.namespaceOf(each) for each in ("10.244.0.9", "fd00::9", "10.0.0.1")]
        self.assertEqual(told, ["shop", "shop", ""])


class AnyNameTests(DirectoryTestCase):
    """Names that nobody thought of."""

    LABELS = st.lists(
        st.sampled_from(
            [
                b"web",
                b"default",
                b"svc",
                b"cluster",
                b"local",
                b"_tcp",
                b"a.b",
                b".",
                b"\xff",
                b"arpa",
                b"db",
                b"db-0",
                b"_pg",
                b"in-addr",
                b"7",
                b"x" * 40,
            ]
        ),
        max_size=6,
    )

    @settings(derandomize=True, max_examples=150, deadline=None)
    @given(LABELS, st.sampled_from([1, 2, 6, 12, 28, 33, 65280]))
    def test_sound(self, labels: list[bytes], kind: int) -> None:
        """Whatever the name, the answer is sound, fits, and has records of that type only."""
        name = b"".join(bytes([len(each)]) + each for each in labels) + b"\0"
        header = bytes.fromhex("123401000001000000000000")
        asked = readQuery(header + name + kind.to_bytes(2, "big") + b"\0\1")
        found = self.directory.answer(asked)
        if found is None:
            return
        reply = read(found.reply(asked, 512))
        self.assertEqual(reply.id, 0x1234)
        self.assertTrue(all(each.rdtype == kind for each in reply.answer))
        self.assertTrue(reply.answer or reply.authority)
