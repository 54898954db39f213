"""What each port promises: one suite for each, which every adapter is held to.

A suite is a class of tests without fixtures of its own; whoever runs it on an adapter inherits from
it and gives them. The ports are the framework's own, so the suites are not part of what
``flask_boiler.testing`` gives to applications.
"""
