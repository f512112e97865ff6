"""Paths, names and specifications of networks to graphs; one file per format."""

from costmodel.importers.files import inputs_each, inventory_of, load_network
from costmodel.importers.python import (
    load_builder,
    net_names,
    net_title,
    vectorisable,
)

__all__ = ["inputs_each", "inventory_of", "load_builder", "load_network", "net_names", "net_title", "vectorisable"]
