"""
edge_core's own parts on a node: metamanager and what it keeps on disk.

Low to high::

    faults       how the store can fail, by name
    rows         what is read from and written to the store
    objects      what metamanager reads of a Kubernetes object
    schema       tables, in both generations of KubeEdge's, and migrations
    opening      directory, lock, connection; a damaged file set aside
    store        MetaStore: the database, synchronous
    storage      the service around it: one thread, batches, Deferreds
    changes      which of two rows counts
    contents     what is read of a Message's content
    decisions    what can come of a Message
    metamanager  what a Message means: writes, answers, pushes
    feeding      a folder of manifests -> Messages
    module       all of it at work
"""
