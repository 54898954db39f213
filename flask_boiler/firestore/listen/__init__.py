"""The Listen client: everything that changes in Firestore, as consistent cuts, over one stream."""
