"""Forks: what begins anew in a child, and what a child hands over to its worker."""
