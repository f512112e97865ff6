"""One layer on a whole hierarchy of memories and an array: the mapspace, its pricing, the exact search over it."""
