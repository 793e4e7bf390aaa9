"""A Kubernetes control plane with Argo Workflows on loopback, from the projects' own Go modules."""
