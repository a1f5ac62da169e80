"""Tests of edgemesh.demo.files."""

from pathlib import Path

import yaml
from twisted.trial.unittest import SynchronousTestCase

from edgemesh import config
from edgemesh.demo.files import BURST, LIMIT, Ports, serviceB, write

PORTS = Ports(18081, 15000, {"b-1": 8001, "b-2": 8002})


class FilesTests(SynchronousTestCase):
    """What the demo writes is what the node reads."""

    def test_configuration(self) -> None:
        """The configuration is one that ``edgemesh check`` would pass."""
        folder = Path(self.mktemp())
        folder.mkdir()
        loaded = config.load(str(write(folder, PORTS)), {})
        self.assertEqual(loaded.admin, "tcp:15000:interface=127.0.0.1")
        self.assertTrue(loaded.listeners[0].proxy)

    def test_limit(self) -> None:
        """The limit that the demo speaks of is the one that is configured."""
        folder = Path(self.mktemp())
        folder.mkdir()
        written = yaml.safe_load(write(folder, PORTS).read_text())
        outbound = written["policies"]["b.default"]["qps"]["outbound"]
        self.assertEqual(outbound, {"limit": LIMIT, "burst": BURST})

    def test_service(self) -> None:
        """The service is a plain Kubernetes Service with the instances as its Endpoints."""
        service, endpoints = yaml.safe_load_all(serviceB(PORTS.apps))
        self.assertEqual((service["kind"], service["metadata"]["name"]), ("Service", "b"))
        ports = [subset["ports"][0]["port"] for subset in endpoints["subsets"]]
        names = [subset["addresses"][0]["targetRef"]["name"] for subset in endpoints["subsets"]]
        self.assertEqual((ports, names), ([8001, 8002], ["b-1", "b-2"]))
