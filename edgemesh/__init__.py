"""
edgemesh: an app calls a service by name and does not care where it runs.

Where to look, low to high; a module may import its own package and what is
above it in this list, never what is below (``tests/test_layering.py``)::

    interfaces    the joints: where a stranger's code may stand
    invocation    the values that flow down the chain
    errors        the one table of how a call can fail
    metrics       counters and histograms as plain cells
    monotonic     a clock for the reactor that never jumps
    process       what the whole process needs once
    reload        SIGHUP
    state         the directory of what the node remembers
    wire          bytes <-> events: http1, tls
    beehive       KubeEdge's Messages: values, bytes, names
    link          records and Messages between processes of a node
    meta          what the node knows: model, policy, manifests, folder, client
    handlers      router > LB > QPS controller > Biz keeper; read chain.py first
    protocols     http, grpc, tls, tcp: resolver, server, client
    interceptor   accept, recognise, hand over
    dns           the name server
    edgecore      metamanager and its database
    admin         health, metrics, read API
    config        one file -> one frozen value
    testing       the public kit for plugin authors
    node          composes the tree of services; knows everything
    diagnosis     what is wrong with a node's files
    demo          the mesh at work, to look at
    tap, cli      ``twistd edgemesh`` and ``edgemesh``
"""
