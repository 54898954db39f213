"""An application that forgot its Boiler."""

from __future__ import annotations

from flask import Flask

app = Flask(__name__)
