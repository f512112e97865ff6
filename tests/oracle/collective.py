"""Gradients moved between nodes, message by message: what the closed forms of `costmodel.formulas.collectives` count.

Every node holds an array. A round is a set of messages that travel at the same time; a node sends to one other node and
receives from one other node per round, so that a round takes as long as its largest message. A parameter server receives one
message after the other, and then sends one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Network:
    """Counts what nodes send: per round the sizes of the messages that travel together."""

    rounds: list[list[int]] = field(default_factory=list)

    def together(self, messages):
        """Deliver messages (sender, receiver, array) of one round; gives the arrays by receiver."""
        senders, receivers = [m[0] for m in messages], [m[1] for m in messages]
        assert len(set(senders)) == len(senders), "a node sends one message at a time"
        assert len(set(receivers)) == len(receivers), "a node receives one message at a time"
        self.rounds.append([array.size for _, _, array in messages])
        return {receiver: array.copy() for _, receiver, array in messages}

    @property
    def serial_elems(self):
        """The largest message of every round, one round after the other."""
        return sum(max(sizes) for sizes in self.rounds)

    @property
    def total_elems(self):
        """All messages."""
        return sum(map(sum, self.rounds))


def by_server(gradients):
    """Sum at a node of its own; what each worker has in the end, and the network."""
    network, server = Network(), len(gradients)
    total = np.zeros_like(gradients[0])
    for worker, gradient in enumerate(gradients):
        total += network.together([(worker, server, gradient)])[server]
    return [network.together([(server, worker, total)])[worker] for worker in range(len(gradients))], network


def by_tree(gradients):
    """Sum up a binomial tree whose root is worker 0, and down again; what each worker has in the end, and the network."""
    network, held, workers = Network(), [gradient.copy() for gradient in gradients], len(gradients)
    distances = [1 << level for level in range((workers - 1).bit_length())]
    for distance in distances:
        senders = range(distance, workers, 2 * distance)
        for receiver, array in network.together([(w, w - distance, held[w]) for w in senders]).items():
            held[receiver] += array
    for distance in reversed(distances):
        senders = range(0, workers - distance, 2 * distance)
        for receiver, array in network.together([(w, w + distance, held[w]) for w in senders]).items():
            held[receiver] = array
    return held, network


def by_ring(gradients):
    """Sum chunks around a ring, then hand the sums around; what each worker has in the end, and the network."""
    network, workers = Network(), len(gradients)
    held = [np.array_split(gradient.copy(), workers) for gradient in gradients]
    for step in range(workers - 1):
        chunks = [(worker - step) % workers for worker in range(workers)]
        arrived = network.together([(w, (w + 1) % workers, held[w][chunks[w]]) for w in range(workers)])
        for receiver, array in arrived.items():
            held[receiver][chunks[receiver - 1]] = held[receiver][chunks[receiver - 1]] + array
    for step in range(workers - 1):
        chunks = [(worker + 1 - step) % workers for worker in range(workers)]
        arrived = network.together([(w, (w + 1) % workers, held[w][chunks[w]]) for w in range(workers)])
        for receiver, array in arrived.items():
            held[receiver][chunks[receiver - 1]] = array
    return [np.concatenate(parts) for parts in held], network
