"""Parking: views that fail are set aside, recorded, and tried again.

It imports what ``engine`` may import.
"""
