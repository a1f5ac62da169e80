"""What the node knows: Services, Endpoints, Pods, Nodes and policies, in memory."""
