"""Contracts: what mediators serve, as documents for machines."""
