"""Request targets: four forms, each with its methods, and nothing else."""

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import BAD_REQUEST, RemoteProtocolError
from edgemesh.wire.target import AUTHORITY, Target, parseTarget


class AuthorityTests(SynchronousTestCase):
    """What may stand in Host."""

    def test_names(self) -> None:
        """Names and addresses are accepted, with and without a port."""
        for value in (
            b"b",
            b"b.default:80",
            b"10.0.0.1",
            b"[::1]",
            b"[fd00::1]:8080",
            b"b:",
            b"B_1",
        ):
            self.assertIsNotNone(AUTHORITY.fullmatch(value), value)

    def test_others(self) -> None:
        """What could hide another name, or is none, is not."""
        for value in (
            *(
                b"",
                b":80",
                b"a@b",
                b"a b",
                b"b,c",
                b"b/c",
                b"b?c",
                b"b#c",
                b"b\\c",
                b"b:x",
                b"b:1:2",
            ),
            *(
                b"b:123456",
                b"::1",
                b"[::1",
                b"[::1]x",
                b"[x]",
                b"b\0",
                b"b\xfc",
                b"b\n",
                b"http://b",
            ),
        ):
            self.assertIsNone(AUTHORITY.fullmatch(value), value)


class TargetTests(SynchronousTestCase):
    """The forms of a target."""

    def refused(self, method: bytes, target: bytes) -> bool:
        """Whether this is answered with 400."""
        error = self.assertRaises(RemoteProtocolError, parseTarget, method, target)
        return error.failure is BAD_REQUEST

    def test_absolute(self) -> None:
        """The authority is taken out; the path and the query go on."""
        self.assertEqual(
            parseTarget(b"GET", b"http://b:80/r/s?x=/y"), Target(b"b:80", b"/r/s", b"/r/s?x=/y")
        )

    def test_absoluteWithoutPath(self) -> None:
        """A missing path is the root."""
        self.assertEqual(parseTarget(b"GET", b"HTTP://b"), Target(b"b", b"/", b"/"))
        self.assertEqual(parseTarget(b"GET", b"http://b?x"), Target(b"b", b"/", b"/?x"))

    def test_absoluteOptions(self) -> None:
        """OPTIONS of a whole server stays one."""
        self.assertEqual(parseTarget(b"OPTIONS", b"http://b"), Target(b"b", b"*", b"*"))
        self.assertEqual(parseTarget(b"OPTIONS", b"http://b/"), Target(b"b", b"/", b"/"))

    def test_asterisk(self) -> None:
        """An asterisk goes with OPTIONS only."""
        self.assertEqual(parseTarget(b"OPTIONS", b"*"), Target(b"", b"*"))
        self.assertTrue(self.refused(b"GET", b"*"))

    def test_authority(self) -> None:
        """CONNECT takes a name and a port, and nothing else."""
        self.assertEqual(parseTarget(b"CONNECT", b"[::1]:443"), Target(b"[::1]:443", b""))
        for target in (b"b", b"b:", b"[::1]", b"/", b"http://b:80/", b"*", b"a@b:1", b"b:1/x"):
            self.assertTrue(self.refused(b"CONNECT", target), target)

    def test_others(self) -> None:
        """A target that could lead to an unknown place leads nowhere."""
        for target in (
            *(b"b", b"b:80", b"?x", b"@b/", b"http:/b/", b"http:///x", b"http://:80/"),
            *(b"http://a@b/", b"http://b\\@c/", b"https://b/", b"ftp://b/", b"file:///etc/passwd"),
        ):
            self.assertTrue(self.refused(b"GET", target), target)
