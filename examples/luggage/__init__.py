"""Luggage: how much everybody has, and what it weighs in all."""
