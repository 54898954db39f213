"""Publishing: what was computed is compared, grouped and committed, and places are kept."""
