"""Why a layer costs what it costs: its loop nest, every access with its formula, and what a larger memory would save."""

from costmodel.explanation.explaining import explanation_of, layer_row
from costmodel.explanation.explanation import Explanation
from costmodel.explanation.given import given_analysis

__all__ = ["Explanation", "explanation_of", "given_analysis", "layer_row"]
