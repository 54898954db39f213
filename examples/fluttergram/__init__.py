"""A post fans out: it is in the feed of everybody who follows its author."""
