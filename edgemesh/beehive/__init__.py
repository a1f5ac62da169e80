"""Messages as KubeEdge's beehive has them: values, bytes and names; knows no reactor."""
