"""Keras sample files and the code that writes them."""
