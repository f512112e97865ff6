"""Updates over the air: bytes in full and as a difference, and what receiving them costs a device and a fleet."""

from costmodel.updates.changes import Holding, TensorUpdate, layers_of
from costmodel.updates.coding import coded, decoded
from costmodel.updates.update import Delivery, UpdateCost, update_of

__all__ = ["Delivery", "Holding", "TensorUpdate", "UpdateCost", "coded", "decoded", "layers_of", "update_of"]
