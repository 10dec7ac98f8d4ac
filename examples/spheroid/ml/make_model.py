# Writes model.onnx: a small U-Net for 160x160 cell images, with weights from a fixed seed.
#
# Run once, on a developer's machine; model.onnx is committed and the service never needs `onnx`:
#
#   pip install numpy==2.4.6 onnx==1.23.2 && python make_model.py
#
# Three levels down and up (conv, batch norm, relu, twice each; max pool; nearest upsample; skip
# connections), plus a position branch for flat-field correction. That branch depends on the size
# of the images only, so one run over a batch computes it once for all of them.
#
# Nothing is trained. Most weights are random; two channels are set by hand so that the result
# means something: LIGHT carries the smoothed image, DARK its inverse. Max pooling DARK finds the
# local background, and the last layer lights up where the image is brighter than that.
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHANNELS = [16, 32, 64]
BOTTOM = 80
FIELD = 48
LIGHT, DARK = 0, 1
THRESHOLD, STEEPNESS = 0.24, 30.0

rng = np.random.default_rng(20240917)
nodes, weights = [], []
smooth = np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32) / 16


def const(name, values, dtype=np.float32):
    weights.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
    return name


def node(op, inputs, output, **attributes):
    nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
    return output


def random_kernel(out_channels, in_channels, size):
    scale = np.sqrt(2.0 / (in_channels * size * size))
    return rng.normal(0, scale, (out_channels, in_channels, size, size)).astype(np.float32)


def block(x, name, in_channels, out_channels, sources=(LIGHT, DARK), first=False):
    """conv, batch norm, relu; `sources` says which inputs feed the LIGHT and DARK channels."""
    kernel = random_kernel(out_channels, in_channels, 3)
    mean = rng.normal(0, 0.05, out_channels).astype(np.float32)
    shift = rng.normal(0, 0.05, out_channels).astype(np.float32)
    for channel, source in zip((LIGHT, DARK), sources):
        kernel[channel] = 0
        kernel[channel, source] = -smooth if first and channel == DARK else smooth
        mean[channel] = -1.0 if first and channel == DARK else 0.0
        shift[channel] = 0
    x = node("Conv", [x, const(f"{name}.w", kernel)], f"{name}.conv", pads=[1, 1, 1, 1])
    x = node("BatchNormalization", [
        x,
        const(f"{name}.scale", np.ones(out_channels)),
        const(f"{name}.shift", shift),
        const(f"{name}.mean", mean),
        const(f"{name}.var", np.ones(out_channels)),
    ], f"{name}.norm", epsilon=1e-7)
    return node("Relu", [x], f"{name}.out")


def axis_waves(name, index):
    """Sines and cosines of the position along one axis, [1, 8, n, 1] or [1, 8, 1, n]."""
    shape = node("Shape", ["image"], f"{name}.shape")
    length = node("Gather", [shape, const(f"{name}.index", index, np.int64)], f"{name}.length")
    steps = node("Range", [const(f"{name}.zero", 0, np.int64), length, const(f"{name}.one", 1, np.int64)], f"{name}.steps")
    steps = node("Cast", [steps], f"{name}.float", to=TensorProto.FLOAT)
    angle = node("Div", [steps, node("Cast", [length], f"{name}.lengthf", to=TensorProto.FLOAT)], f"{name}.part")
    column = [1, 1, -1, 1] if index == 2 else [1, 1, 1, -1]
    angle = node("Reshape", [angle, const(f"{name}.column", column, np.int64)], f"{name}.angle")
    speeds = np.pi * np.array([1, 2, 4, 8], dtype=np.float32).reshape(1, 4, 1, 1)
    angle = node("Mul", [angle, const(f"{name}.speeds", speeds)], f"{name}.angles")
    return node("Concat", [node("Sin", [angle], f"{name}.sin"), node("Cos", [angle], f"{name}.cos")], f"{name}.waves", axis=1)


def flat_field(out_channels):
    """The position branch: waves over both axes, two convolutions, a small correction per pixel."""
    x = node("Mul", [axis_waves("field.y", 2), axis_waves("field.x", 3)], "field.grid")
    for i, (a, b) in enumerate([(8, FIELD), (FIELD, FIELD)]):
        x = node("Conv", [x, const(f"field.{i}.w", random_kernel(b, a, 3))], f"field.{i}.conv", pads=[1, 1, 1, 1])
        x = node("Relu", [x], f"field.{i}.out")
    last = random_kernel(out_channels, FIELD, 1) * 0.05
    last[[LIGHT, DARK]] *= 0.01
    return node("Conv", [x, const("field.last.w", last)], "field.last")


# Down.
x, count, skips = "image", 1, []
for level, width in enumerate(CHANNELS):
    x = block(x, f"down{level}.a", count, width, (0, 0) if level == 0 else (LIGHT, DARK), first=level == 0)
    if level == 0:
        x = node("Add", [x, flat_field(width)], "stem.corrected")
    x = block(x, f"down{level}.b", width, width)
    skips.append((x, width))
    x, count = node("MaxPool", [x], f"down{level}.pool", kernel_shape=[2, 2], strides=[2, 2]), width

# Bottom.
x = block(x, "bottom.a", count, BOTTOM)
x = block(x, "bottom.b", BOTTOM, BOTTOM)
count = BOTTOM

# Up: LIGHT comes over the skip connection (sharp), DARK from below (the wide neighbourhood).
twice = const("twice", [1, 1, 2, 2])
for level in reversed(range(len(CHANNELS))):
    skip, width = skips[level]
    x = node("Resize", [x, "", twice], f"up{level}.grow", mode="nearest",
             coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    x = node("Concat", [x, skip], f"up{level}.join", axis=1)
    x = block(x, f"up{level}.a", count + width, width, (count + LIGHT, DARK))
    x = block(x, f"up{level}.b", width, width)
    count = width

head = random_kernel(1, count, 1) * 0.02
head[0, [LIGHT, DARK]] = STEEPNESS
bias = [-STEEPNESS * (1 + THRESHOLD)]
x = node("Conv", [x, const("head.w", head), const("head.b", bias)], "head.conv")
node("Sigmoid", [x], "mask")

shape = ["batch", 1, "height", "width"]
graph = helper.make_graph(
    nodes, "unet-cells",
    [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
    [helper.make_tensor_value_info("mask", TensorProto.FLOAT, shape)],
    weights,
)
model = helper.make_model(graph, producer_name="spheroid", ir_version=9,
                          opset_imports=[helper.make_opsetid("", 17)])
onnx.checker.check_model(model, full_check=True)
path = Path(__file__).resolve().parent / "model.onnx"
path.write_bytes(model.SerializeToString(deterministic=True))
print(path.name, path.stat().st_size, "bytes,", sum(int(np.prod(w.dims)) for w in weights), "weights")
