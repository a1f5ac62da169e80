"""curl calls services by name through the proxy listener."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.functional.harness import HOST
from tests.functional.scene import scene
from tests.functional.webserver import Curled, curl


def call(url: str, *arguments: str) -> Curled:
    """Call through the proxy, as curl does it of its own accord: in absolute form."""
    return curl("--proxy", f"http://{HOST}:{scene().proxy}", *arguments, url)


class NameTests(SynchronousTestCase):
    """Every spelling of a name."""

    def reaches(self, instance: int, *authorities: str) -> None:
        """These names lead to that instance, in absolute form and by Host."""
        port = scene().web.ports[instance]
        for authority in authorities:
            for came in (
                call("http://x/who", "--request-target", f"http://{authority}/who"),
                curl("--header", f"Host: {authority}", f"http://{HOST}:{scene().proxy}/who"),
            ):
                self.assertEqual((came.exit, came.status), (0, 200), authority)
                self.assertEqual(came.text, f"{port} GET http HTTP/1.1 {authority}")

    def test_short(self) -> None:
        """A bare name, in the node's own namespace."""
        self.reaches(0, "web")

    def test_longer(self) -> None:
        """The longer forms, to the whole one."""
        self.reaches(0, "web.default", "web.default.svc", "web.default.svc.cluster.local")

    def test_port(self) -> None:
        """A port in the name says which port of the Service; 80 may be said or not."""
        self.reaches(0, "web:80", "web.default.svc.cluster.local:80")
        self.reaches(1, "shop.trade:8080", "shop.trade.svc:8080")

    def test_case(self) -> None:
        """Upper case means the same."""
        self.reaches(0, "WEB.Default", "Web.default.SVC.cluster.LOCAL")

    def test_absolute(self) -> None:
        """A whole name may end with a dot, as DNS writes it."""
        self.reaches(0, "web.default.svc.cluster.local.")

    def unreached(self, authority: str) -> None:
        """This name leads nowhere, and the answer says so at once."""
        came = call(f"http://{authority}/who")
        self.assertEqual((came.exit, came.status), (0, 404))
        self.assertIn("x-edgemesh-reason: nr", came.head)

    def test_otherNamespace(self) -> None:
        """A bare name means the node's own namespace and no other."""
        self.unreached("shop:8080")

    def test_noSuchPort(self) -> None:
        """A Service is called at the ports that it has."""
        self.unreached("shop.trade")
        self.unreached("web:81")

    def test_unknown(self) -> None:
        """The proxy leads to known services only, whatever else there may be."""
        self.unreached("example.test")
        self.unreached(f"{HOST}:{scene().web.ports[0]}")
        self.unreached(f"localhost:{scene().node.admin}")

    def test_refusedBeforeBody(self) -> None:
        """A caller that waits for 100 learns at once that the name leads nowhere."""
        wait = ("--header", "Expect: 100-continue", "--expect100-timeout", "10")
        came = call("http://example.test/", "--request", "PUT", "--data", "x", *wait)
        self.assertEqual((came.exit, came.status, came.answers), (0, 404, 1))


class KindTests(SynchronousTestCase):
    """Every kind of Service."""

    def reaches(self, instance: int, name: str) -> None:
        """This service leads to that instance."""
        came = call(f"http://{name}/who")
        self.assertEqual((came.exit, came.status), (0, 200))
        self.assertEqual(came.text.split()[0], str(scene().web.ports[instance]))

    def test_selfMaintained(self) -> None:
        """A Service without a selector, endpoints without Pod and node."""
        self.reaches(0, "web")
        (endpoint,) = scene().node.services()["web.default:80"]["endpoints"]
        self.assertEqual((endpoint["node"], endpoint["pod"], endpoint["local"]), ("", "", True))

    def test_selected(self) -> None:
        """A Service with a selector is all there is besides the Pods."""
        self.reaches(2, "selected")
        (endpoint,) = scene().node.services()["selected.default:80"]["endpoints"]
        self.assertEqual((endpoint["node"], endpoint["pod"]), ("edge-1", "selected-1"))

    def test_sliced(self) -> None:
        """Endpoints from an EndpointSlice."""
        self.reaches(1, "sliced")


class TunnelTests(SynchronousTestCase):
    """CONNECT."""

    def test_http(self) -> None:
        """A tunnel carries whatever the two ends speak, unread."""
        came = call("http://web/came", "--proxytunnel", "--suppress-connect-headers")
        self.assertEqual((came.exit, came.status), (0, 200))
        self.assertIn("via= for= ", came.text)

    def test_http10(self) -> None:
        """An old client may ask for it in HTTP/1.0."""
        came = curl("--proxy1.0", f"{HOST}:{scene().proxy}", "--proxytunnel", "http://web/who")
        self.assertEqual((came.exit, came.status, came.answers), (0, 200, 2))

    def test_unknown(self) -> None:
        """No tunnel leads to what is no known service."""
        for target in (f"http://{HOST}:{scene().web.ports[0]}/", "http://example.test/"):
            came = call(target, "--proxytunnel")
            self.assertEqual(came.exit, 56)
            self.assertIn("x-edgemesh-reason: nr", came.head)


class ChainPageTests(SynchronousTestCase):
    """``/chain``: what a call meets."""

    def test_order(self) -> None:
        """Out: router, LB, QPS controller, Biz keeper, in this order; in: QPS controller."""
        status, content = scene().node.page("/chain?service=web.default:80")
        chain = json.loads(content)
        self.assertEqual(status, 200)
        self.assertEqual(
            [stage["handler"] for stage in chain["outbound"]],
            ["router", "loadbalance", "qps", "bizkeeper"],
        )
        self.assertEqual([stage["handler"] for stage in chain["inbound"]], ["qps"])
        self.assertNotIn("", [stage["explain"] for stage in chain["outbound"]])
