"""Builds ONNX networks from arrays."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto


class OnnxGraphBuilder:
    """Collects the nodes and constants of an ONNX graph; each method returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output."""
        from onnx import helper

        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, values: np.ndarray) -> str:
        """Add a constant tensor."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def model(self, name: str, pixels: int, last: str, size: int) -> bytes:
        """The serialised network.

        Args:
            name: Of the graph.
            pixels: The side of its input `pixels` (n, 3, side, side).
            last: The node's output that becomes the network's output `descriptor`.
            size: The length of a descriptor.
        """
        from onnx import TensorProto, helper

        self.nodes.append(helper.make_node("Identity", [last], ["descriptor"]))
        inputs = [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, pixels, pixels])]
        outputs = [helper.make_tensor_value_info("descriptor", TensorProto.FLOAT, ["n", size])]
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        return bytes(model.SerializeToString())
