"""A cell that a search found."""

from typing import Any

from keras import ops

from custom_layers.cell import Cell, Gates


class NASCell(Cell):
    """The cell that neural architecture search found on language modelling.

        k_1 ... k_8 = W_x x_t + b, in eight blocks       m_1 ... m_8 = W_h h_{t-1}, likewise

        p_t = tanh(sigmoid(k_1 + m_1) * relu(k_2 + m_2))
        q_t = tanh(sigmoid(k_3 + m_3) + relu(k_4 * m_4))
        r_t = tanh(tanh(k_5 + m_5) * sigmoid(k_6 + m_6))
        s_t = sigmoid(tanh(k_7 + m_7) + sigmoid(k_8 + m_8))

        c_t = tanh(p_t + c_{t-1}) * q_t
        h_t = tanh(c_t * tanh(r_t + s_t))

    Symbols: x_t inputs `[batch, F]`, h_t output and c_t memory `[batch, U]`, the tanh of c_t and
    h_t the `activation`, `*` element by element.

    Weights, eight blocks: W_x `kernel [F, 8 U]`, W_h `recurrent_kernel [U, 8 U]`, b `bias [8 U]`.

    Reference: Zoph & Le, 2017, "Neural architecture search with reinforcement learning".
    """

    gates = ("k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8")
    state = ("h", "c")

    def step(self, x: Gates, h: Gates, state: Any) -> Any:
        """Return h_t and c_t."""
        z = x + h
        p = ops.tanh(ops.sigmoid(z.k1) * ops.relu(z.k2))
        q = ops.tanh(ops.sigmoid(z.k3) + ops.relu(x.k4 * h.k4))
        r = ops.tanh(ops.tanh(z.k5) * ops.sigmoid(z.k6))
        s = ops.sigmoid(ops.tanh(z.k7) + ops.sigmoid(z.k8))
        c = self.activation(p + state.c) * q
        return self.State(h=self.activation(c * ops.tanh(r + s)), c=c)
