"""Virtual addresses: stable, never shared, given back late."""

from ipaddress import IPv4Address, IPv4Network

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.dns.virtual import (
    DEFAULT_RANGE,
    ROW_PREFIX,
    IListenerRows,
    MemoryListenerRows,
    VirtualAddresses,
    holdersIn,
    podLabel,
)
from edgemesh.errors import ConfigurationError
from edgemesh.meta.model import Endpoint
from tests.dns.net import meshOf

SMALL = IPv4Network("198.18.0.0/29")
KEEP = 100.0


def virtual(rows: MemoryListenerRows, network: IPv4Network = SMALL) -> VirtualAddresses:
    """As after a start at time 0."""
    made = VirtualAddresses(network, rows, KEEP)
    made.load(0.0)
    return made


class RowsTests(SynchronousTestCase):
    """The fake of what remembers."""

    def test_interface(self) -> None:
        """It is what the name server asks for."""
        verifyObject(IListenerRows, MemoryListenerRows())

    def test_kept(self) -> None:
        """Rows are put, replaced and removed."""
        rows = MemoryListenerRows({"k": "1"})
        rows.put("k", "2")
        rows.remove("none")
        self.assertEqual(rows.rows(), {"k": "2"})
        rows.remove("k")
        self.assertEqual(rows.rows(), {})


class StabilityTests(SynchronousTestCase):
    """The same name, the same address."""

    def test_restart(self) -> None:
        """After a restart everybody has the address from before."""
        rows = MemoryListenerRows()
        before = virtual(rows)
        before.update(["default.a", "default.b"], 0.0)
        after = virtual(rows)
        self.assertEqual(after.addresses, {})
        after.update(["default.b", "default.c", "default.a"], 1.0)
        self.assertEqual({**after.addresses, **before.addresses}, after.addresses)

    def test_row(self) -> None:
        """A row's key has the namespace and the name, its value the address."""
        rows = MemoryListenerRows()
        holder = virtual(rows)
        holder.update(["default.web"], 0.0)
        self.assertEqual(
            rows.rows(), {"default/listener/default.web": holder.addresses["default.web"]}
        )

    def test_lostRows(self) -> None:
        """With all rows lost the addresses are mostly the same."""
        names = [f"default.s{number}" for number in range(200)]
        wide = IPv4Network(DEFAULT_RANGE)
        first, second = (virtual(MemoryListenerRows(), wide) for _ in range(2))
        first.update(names, 0.0)
        second.update(reversed(names[100:]), 0.0)
        second.update(names, 0.0)
        same = sum(first.addresses[each] == second.addresses[each] for each in names)
        self.assertGreater(same, 190)

    def test_comesBack(self) -> None:
        """A Service that is deleted and made again has its address again."""
        holder = virtual(MemoryListenerRows())
        holder.update(["default.a"], 0.0)
        address = holder.addresses["default.a"]
        holder.update([], 1.0)
        self.assertEqual((holder.addresses, holder.holderOf(address)), ({}, ""))
        holder.update(["default.a"], KEEP)
        self.assertEqual(holder.holderOf(address), "default.a")


class RestTests(SynchronousTestCase):
    """An address that apps may remember is given to nobody else."""

    def test_rests(self) -> None:
        """Somebody else gets an address only when it has rested."""
        rows = MemoryListenerRows()
        holder = virtual(rows, IPv4Network("198.18.0.0/30"))
        holder.update(["default.a", "default.b"], 0.0)
        holder.update(["default.b", "default.c"], 10.0)
        self.assertEqual(holder.lacking, ("default.c",))
        holder.update(["default.b", "default.c"], 109.0)
        self.assertEqual(holder.lacking, ("default.c",))
        holder.update(["default.b", "default.c"], 110.0)
        self.assertEqual(holder.lacking, ())
        self.assertNotIn(ROW_PREFIX + "default.a", rows.rows())
        self.flushLoggedErrors()

    def test_restsAfterRestart(self) -> None:
        """After a restart the rest begins anew: nobody knows how long it was."""
        rows = MemoryListenerRows({ROW_PREFIX + "default.gone": "198.18.0.1"})
        holder = VirtualAddresses(SMALL, rows, KEEP)
        holder.load(50.0)
        holder.update([], 149.0)
        self.assertEqual(len(rows.rows()), 1)
        holder.update([], 150.0)
        self.assertEqual(rows.rows(), {})


class ExhaustionTests(SynchronousTestCase):
    """More names than addresses."""

    def test_said(self) -> None:
        """Who gets none is said; everybody else keeps what they have."""
        holder = virtual(MemoryListenerRows(), IPv4Network("198.18.0.0/30"))
        holder.update(["default.m", "default.n"], 0.0)
        before = dict(holder.addresses)
        holder.update(["default.a", "default.m", "default.n"], 1.0)
        self.assertEqual((holder.lacking, holder.addresses), (("default.a",), before))
        self.assertIn("1 lacking", repr(holder))

    def test_tooSmall(self) -> None:
        """A range without room for anybody is a mistake."""
        with self.assertRaisesRegex(ConfigurationError, "at least 4 addresses"):
            VirtualAddresses(IPv4Network("198.18.0.0/31"), MemoryListenerRows())

    def test_ends(self) -> None:
        """The first and the last address of the range are given to nobody."""
        holder = virtual(MemoryListenerRows())
        holder.update([f"default.s{number}" for number in range(20)], 0.0)
        self.assertEqual(sorted(holder.addresses.values()), [f"198.18.0.{n}" for n in range(1, 7)])


class RepairTests(SynchronousTestCase):
    """Rows that cannot be right."""

    ROWS = {
        ROW_PREFIX + "default.b": "198.18.0.3",
        ROW_PREFIX + "default.a": "198.18.0.3",
        ROW_PREFIX + "default.far": "9.251.0.1",
        ROW_PREFIX + "default.end": "198.18.0.7",
        ROW_PREFIX + "default.odd": "not an address",
        "default/pod/p": "198.18.0.4",
    }

    def test_repaired(self) -> None:
        """The first name keeps a contested address; others get new ones; the rest is deleted."""
        rows = MemoryListenerRows(self.ROWS)
        holder = virtual(rows)
        self.assertEqual(
            rows.rows(), {ROW_PREFIX + "default.a": "198.18.0.3", "default/pod/p": "198.18.0.4"}
        )
        holder.update(["default.b", "default.a"], 0.0)
        self.assertEqual(holder.addresses["default.a"], "198.18.0.3")
        self.assertNotEqual(holder.addresses["default.b"], "198.18.0.3")

    def test_sameEveryTime(self) -> None:
        """The order of the rows does not matter."""
        outcomes = []
        for rows in (self.ROWS, dict(reversed(self.ROWS.items()))):
            holder = virtual(MemoryListenerRows(rows))
            holder.update(["default.a", "default.b", "default.far"], 0.0)
            outcomes.append(holder.addresses)
        self.assertEqual(outcomes[0], outcomes[1])


class HolderTests(SynchronousTestCase):
    """Who needs an address."""

    def test_mesh(self) -> None:
        """Services without cluster IP, and the pods of headless ones."""
        expected = ["default.own", "default.db", *(f"default.db.db-{n}" for n in range(3))]
        self.assertEqual(holdersIn(meshOf(), False), expected)
        self.assertEqual(holdersIn(meshOf(), True), ["default.own", "default.db"])

    def test_labels(self) -> None:
        """A pod is named by itself, anything else by its address."""
        labels = [
            podLabel(Endpoint(ip, 1, pod=pod))
            for ip, pod in (("10.0.0.1", "P.0"), ("10.0.0.1", ""), ("fd00::1", ""))
        ]
        self.assertEqual(labels, ["p-0", "10-0-0-1", "fd00--1"])

    def test_covers(self) -> None:
        """The whole range is ours, in use or not; nothing else is."""
        holder = virtual(MemoryListenerRows())
        told = [
            holder.covers(each)
            for each in ("198.18.0.0", "198.18.0.7", "198.18.0.8", "fd00::1", "")
        ]
        self.assertEqual(told, [True, True, False, False, False])


class VirtualMachine(RuleBasedStateMachine):
    """Services come and go, time passes, the node restarts."""

    NAMES = st.frozensets(st.sampled_from([f"ns.s{number}" for number in range(9)]))

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.rows = MemoryListenerRows()
        self.virtual = virtual(self.rows)
        self.wanted: frozenset[str] = frozenset()
        #: Who had an address last, and until when somebody may remember that.
        self.seen: dict[str, tuple[str, float]] = {}

    @rule(wanted=NAMES)
    def change(self, wanted: frozenset[str]) -> None:
        self.wanted = wanted
        self.refresh()

    @rule(seconds=st.sampled_from([1.0, 60.0, 100.0]))
    def wait(self, seconds: float) -> None:
        # Whoever is there is asked for up to the end of that time.
        for holder, address in self.virtual.addresses.items():
            self.seen[address] = (holder, self.now + seconds + KEEP)
        self.now += seconds
        self.refresh()

    @rule()
    def restart(self) -> None:
        self.virtual = VirtualAddresses(SMALL, self.rows, KEEP)
        self.virtual.load(self.now)
        before = {key.removeprefix(ROW_PREFIX): value for key, value in self.rows.rows().items()}
        self.refresh()
        for holder, address in self.virtual.addresses.items():
            assert before.get(holder, address) == address

    def refresh(self) -> None:
        self.virtual.update(self.wanted, self.now)
        for holder, address in self.virtual.addresses.items():
            former, until = self.seen.get(address, (holder, 0.0))
            assert former == holder or until <= self.now, (address, former, holder)
            self.seen[address] = (holder, self.now + KEEP)

    @invariant()
    def consistent(self) -> None:
        given = self.virtual.addresses
        assert len(set(given.values())) == len(given)
        assert set(given) | set(self.virtual.lacking) == self.wanted
        assert all(IPv4Address(address) in SMALL for address in given.values())
        assert all(self.virtual.holderOf(address) == holder for holder, address in given.items())
        rows = self.rows.rows()
        assert all(rows[ROW_PREFIX + holder] == address for holder, address in given.items())
        assert len(set(rows.values())) == len(rows)
        # Nobody goes without while an address is free.
        assert not self.virtual.lacking or len(rows) == 6


class StateMachineTests(SynchronousTestCase):
    """The same, whatever happens in whatever order."""

    def test_machine(self) -> None:
        """No address has two holders, and none is given on while it may be remembered."""
        case = VirtualMachine.TestCase
        case.settings = settings(
            derandomize=True, max_examples=40, stateful_step_count=25, deadline=None
        )
        case("runTest").debug()
