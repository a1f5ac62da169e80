"""
Records and Messages between the processes of one node.

``seqpacket`` carries records over a unix socket on any reactor, ``listener`` and
``dialling`` make such connections, and ``modules`` speaks KubeEdge's module
protocol on them.  Knows bytes, sockets and Messages; nothing of what a Message
is about.
"""
