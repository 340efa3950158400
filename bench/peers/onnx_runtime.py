"""ONNX Runtime: a graph of Gemm and activations, optimised by the runtime; predictions only."""

import onnxruntime
from onnx import TensorProto, helper, numpy_helper

NAME = "ONNX Runtime"

OPERATORS = {"relu": "Relu", "tanh": "Tanh"}
OPSET, IR_VERSION = 17, 8  # old enough for every runtime that one is likely to have


def version():
    return onnxruntime.__version__


def predictors(shape, parameters):
    """{variant: a function from rows to outputs, numpy arrays both}."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(
        model(shape, parameters).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    outputs = ["y"]
    return {"session": lambda x: session.run(outputs, {"x": x})[0]}


def model(shape, parameters):
    """x → Gemm → activation → … → Gemm → y."""
    nodes, constants, value = [], [], "x"
    for i, (weights, bias) in enumerate(parameters):
        last = i + 1 == len(parameters)
        constants += [
            numpy_helper.from_array(weights, f"weights{i}"),
            numpy_helper.from_array(bias, f"bias{i}"),
        ]
        z = "y" if last else f"z{i}"
        nodes.append(helper.make_node("Gemm", [value, f"weights{i}", f"bias{i}"], [z]))
        if not last:
            value = f"a{i}"
            nodes.append(helper.make_node(OPERATORS[shape.activation], [z], [value]))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, size])
        for name, size in (("x", shape.sizes[0]), ("y", shape.sizes[-1]))
    ]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], constants)
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
