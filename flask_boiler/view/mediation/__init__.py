"""Mediation: what all mediators have in common."""
