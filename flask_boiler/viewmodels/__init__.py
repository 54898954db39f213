"""View models: stores, views, and the mutations and forms that change what they show."""
