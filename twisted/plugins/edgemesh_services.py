"""``twistd edgemesh`` and ``twist edgemesh``; loads nothing until it is chosen."""

from twisted.application.service import ServiceMaker

edgemesh = ServiceMaker(
    "edgemesh",
    "edgemesh.tap",
    "Service mesh for an edge node: apps call services by name.",
    "edgemesh",
)
