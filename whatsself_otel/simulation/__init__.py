"""Scenarios played on the real backends: a business that has trouble, and what its operators are told."""
