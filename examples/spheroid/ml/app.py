# The segmentation service: cell images in, cell counts out, over one small U-Net.
import hashlib
import io
from pathlib import Path

import numpy as np
import onnxruntime as ort
from flask import Flask, Response, jsonify, request
from PIL import Image
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest

from cells import count_cells

MODEL = Path(__file__).resolve().parent / "model.onnx"
SIDE = 160
MAX_IMAGES = 32

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 32 * 1024 * 1024

# One process serves: with several workers it needs PROMETHEUS_MULTIPROC_DIR.
model_runs = Counter("model_runs", "Times the model was run, over one image or many.")


def load_model():
    """Opens the model with one thread: the service scales by processes, and timings stay steady."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return ort.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])


# Loaded once, when the worker starts.
session = load_model()


class BadImage(Exception):
    """The request carries no image, or one that cannot be read."""


@app.errorhandler(BadImage)
def bad_image(error):
    return jsonify(error=str(error)), 400


def read_image(upload):
    """One uploaded file as a 1xSIDExSIDE array between 0 and 1, with the picture's own size."""
    try:
        with Image.open(io.BytesIO(upload.read())) as picture:
            size = picture.size
            grey = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise BadImage(f"cannot read the image {upload.filename or ''}".rstrip()) from None
    pixels = np.asarray(grey, dtype=np.float32)
    low, high = np.percentile(pixels, [1, 99.5])
    scaled = (pixels - low) / max(high - low, 1.0)
    return np.clip(scaled, 0, 1).astype(np.float32)[np.newaxis], size


def predict(pixels):
    """Runs the U-Net once over a batch; a true pixel belongs to a cell."""
    model_runs.inc()
    (mask,) = session.run(["mask"], {"image": pixels})
    return mask[:, 0] > 0.5


def describe(mask, size):
    return {
        "cells": count_cells(mask),
        "coverage": round(float(mask.mean()), 4),
        "width": size[0],
        "height": size[1],
        "mask_sha256": hashlib.sha256(np.packbits(mask).tobytes()).hexdigest(),
    }


@app.get("/health")
def health():
    return jsonify(status="ok", model=f"unet-cells-{SIDE}")


@app.get("/metrics")
def metrics():
    return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)


@app.post("/segment")
def segment():
    upload = request.files.get("image")
    if upload is None:
        raise BadImage("no image: send a PNG in the field 'image'")
    pixels, size = read_image(upload)
    return jsonify(describe(predict(pixels[np.newaxis])[0], size))


@app.post("/segment-batch")
def segment_batch():
    uploads = request.files.getlist("image")
    if not 1 <= len(uploads) <= MAX_IMAGES:
        raise BadImage(f"send 1 to {MAX_IMAGES} PNGs in fields 'image'")
    images = [read_image(upload) for upload in uploads]
    masks = predict(np.stack([pixels for pixels, _ in images]))
    return jsonify(results=[describe(mask, size) for mask, (_, size) in zip(masks, images)])
