"""gRPC, for now relayed whole to one endpoint: resolver, server."""
