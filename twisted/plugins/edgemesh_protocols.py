"""The built-in protocols, registered as anybody's would be."""

from edgemesh.protocols.grpc.plugin import GRPC
from edgemesh.protocols.http.plugin import HTTP
from edgemesh.protocols.tcp.plugin import TCP
from edgemesh.protocols.tls.plugin import TLS

__all__ = ["GRPC", "HTTP", "TCP", "TLS"]
