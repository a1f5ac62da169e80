# -*- test-case-name: tests.beehive.test_resource -*-
"""
Resource strings: what a Message is about.

::

    edge     <namespace>/<type>[/<name>]                 default/service/b
    cloud    node/<node>/<namespace>/<type>[/<name>]     node/n1/default/service/b

cloudhub puts ``node/<node>/`` before everything that comes up from a node, and takes it
off what goes down.  metamanager's key for an object is its string on the edge.

Knows strings only.  Nothing here raises for what a peer sent: like in Go, a string
of another form has the type "".
"""

from __future__ import annotations

from dataclasses import dataclass

#: The namespace of what belongs to none.
NO_NAMESPACE = "null"
#: Updates of all Services, or all Endpoints, of a node.
SERVICE_LIST = "namespace/servicelist/service"
ENDPOINTS_LIST = "namespace/endpointslist/endpoints"
#: Asks for every Service; metamanager ignores the namespace.
ALL_SERVICES = "all/service"
#: edgehub to metamanager: the link to the cloud is there, or gone.
CONNECTION = "node/connection"
#: edgehub to cloudhub, every heartbeat.
KEEPALIVE = "node"
#: The first Message of a module on a socket, and its answer.
MODULE = "module"

_NODE = "node"


@dataclass(frozen=True, slots=True)
class Resource:
    """
    A resource string of the edge, taken apart.

    :ivar type: "" for a string of no known form; then the others are empty too.
    :ivar name: "" for all of a type.
    """

    namespace: str = ""
    type: str = ""
    name: str = ""

    def __str__(self) -> str:
        named = f"/{self.name}" if self.name else ""
        return f"{self.namespace}/{self.type}{named}" if self.type else ""


def parse(resource: str) -> Resource:
    """A string of the edge; three tokens, or two, or a type of ""."""
    tokens = resource.split("/")
    if len(tokens) not in (2, 3) or not tokens[1]:
        return Resource()
    return Resource(*tokens)


def addNode(node: str, resource: str) -> str:
    """The string in the cloud of what is this string on that node."""
    return f"{_NODE}/{node}/{resource}"


def trimNode(resource: str) -> str:
    """
    The string on the edge of what is this string in the cloud.

    As cloudhub trims: what begins with ``node`` loses two tokens if it has three.
    """
    tokens = resource.split("/", 2)
    return tokens[2] if resource.startswith(_NODE) and len(tokens) == 3 else resource


def nodeOf(resource: str) -> str:
    """The node that a string of the cloud names, or ""."""
    tokens = resource.split("/", 2)
    return tokens[1] if len(tokens) == 3 and tokens[0] == _NODE else ""


def podList(namespace: str, service: str) -> str:
    """The Pods behind a Service."""
    return f"{namespace}/podlist/{service}"


def podStatus(namespace: str) -> str:
    """The states of a namespace's Pods, from edged to the cloud."""
    return f"{namespace}/podstatus"


def listener(namespace: str, service: str) -> str:
    """The virtual address of a Service; such rows are all in the namespace ``default``."""
    return f"default/listener/{namespace}.{service}"


def rule(name: str) -> str:
    """A Rule of the Router.  There is no namespace: that is in the content only."""
    return f"rule/{name}"


def ruleEndpoint(name: str) -> str:
    """A RouterEndpoint, likewise."""
    return f"ruleendpoint/{name}"


def ruleStatus(namespace: str, rule: str) -> str:
    """How a Rule's deliveries went, from the Router; ``nodeid`` is no node, but just so."""
    return f"{_NODE}/nodeid/{namespace}/rulestatus/{rule}"


def serviceBus(port: str, path: str) -> str:
    """A call through a servicebus to an app on its node."""
    return f"{port}:{path}"


def listened(name: str) -> tuple[str, str]:
    """Namespace and Service in the name of a listener; ("", "") if it has no dot."""
    namespace, dot, service = name.partition(".")
    return (namespace, service) if dot else ("", "")
