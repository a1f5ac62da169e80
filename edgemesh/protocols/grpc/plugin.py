# -*- test-case-name: tests.protocols.grpc.test_plugin -*-
"""gRPC as a plugin: a connection is relayed whole to one endpoint."""

from __future__ import annotations

from edgemesh.protocols.grpc.resolver import GRPCResolver
from edgemesh.protocols.tcp.plugin import OpaqueProtocol

GRPC = OpaqueProtocol("grpc", GRPCResolver())
