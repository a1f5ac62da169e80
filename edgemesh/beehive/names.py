"""
The words that beehive Messages are addressed and told apart with, and who uses them.

A module's name goes into ``route.source`` and ``route.destination``, a group's into
``route.group``, an operation into ``route.operation``.  Values only; the forms of
``route.resource`` are in :mod:`edgemesh.beehive.resource`.
"""

from __future__ import annotations

# Modules of the edge.
#: This mesh: what it asks, and what is pushed to it.
EDGEMESH = "edgemesh"
#: metamanager since KubeEdge 1.12.
METAMANAGER = "metamanager"
#: metamanager up to KubeEdge 1.10, in the source of its answers.
METAMANAGER_OLD = "metaManager"
#: The module of edgehub, which holds the link to the cloud.
WEBSOCKET = "websocket"
#: The source of what edgehub itself says to metamanager: connected, disconnected.
EDGEHUB = "edgehub"
EDGED = "edged"
EVENTBUS = "eventbus"
SERVICEBUS = "servicebus"
TWIN = "twin"
#: The source of MetaServer's own requests to the cloud.
METASERVER = "metaserver"

# Modules of the cloud; each is its own group.
CLOUDHUB = "cloudhub"
EDGECONTROLLER = "edgecontroller"
DYNAMICCONTROLLER = "dynamiccontroller"
ROUTER = "router"
#: The sources of what the cloud's Router sends to a node.
ROUTER_EVENTBUS = "router_eventbus"
ROUTER_SERVICEBUS = "router_servicebus"

# Groups of the edge.
#: Whoever sends to the cloud: the group of the module ``websocket``.
HUB_GROUP = "hub"
#: The group of metamanager, and of questions to it.
META_GROUP = "meta"
#: The group of this mesh.
MESH_GROUP = "mesh"

# Groups of Messages between cloud and edge.
#: What metamanager keeps: Kubernetes objects, acknowledged with ``OK``.
RESOURCE_GROUP = "resource"
#: The Router's traffic; nobody acknowledges it.
USER_GROUP = "user"

# Operations.
INSERT = "insert"
DELETE = "delete"
QUERY = "query"
UPDATE = "update"
PATCH = "patch"
#: Upward with the group ``user``: the one way into the cloud's Router.
UPLOAD = "upload"
#: Every answer but an error.
RESPONSE = "response"
#: An answer whose content is the text of what went wrong.
ERROR = "error"
#: Asks a module to publish, or an eventbus to follow, a topic.
PUBLISH = "publish"
SUBSCRIBE = "subscribe"
UNSUBSCRIBE = "unsubscribe"
#: Ask a servicebus to take calls for a path, or to stop it.
START = "start"
STOP = "stop"
#: edgehub to cloudhub, every heartbeat; never answered.
KEEPALIVE = "keepalive"
#: edgehub to metamanager, with one of the contents below.
CONNECT = "connect"
#: The first Message of a module on a socket.
ADD = "add"

# Contents with a meaning.
CLOUD_CONNECTED = "cloud_connected"
CLOUD_DISCONNECTED = "cloud_disconnected"
#: What acknowledges an insert, update or delete.
OK = "OK"
PING = "ping"

# Values of ``header.type``, the transport that a Message came by.
CHANNEL = "channel"
UNIXPACKET = "unixpacket"
