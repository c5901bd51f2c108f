"""The two networks inside the mediapipe wheel, as graphs of our own: face detector and face landmarks.

The ready-made `FaceDetection` solution of mediapipe 0.10.21 ignores `min_detection_confidence` for its full-range
model (0.6 is fixed in the graph), and `FaceMesh` looks for the face with its short-range detector first, which
misses everybody beyond a close-up. So both networks are wired here with the package's own calculators.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.common.manifest import ModelRecord, file_sha256

Image = NDArray[np.uint8]

#: Side of the square that both networks look at, in pixels.
INPUT_SIDE = 192
#: The model files inside the wheel that decide the result.
MODEL_FILES = (
    "modules/face_detection/face_detection_full_range_sparse.tflite",
    "modules/face_landmark/face_landmark_with_attention.tflite",
)

_DETECTION_GRAPH = """
input_stream: "image"
output_stream: "detections"
node {
  calculator: "ToImageCalculator"
  input_stream: "IMAGE_CPU:image"
  output_stream: "IMAGE:any_image"
}
node {
  calculator: "ImageToTensorCalculator"
  input_stream: "IMAGE:any_image"
  output_stream: "TENSORS:input"
  output_stream: "MATRIX:matrix"
  node_options { [type.googleapis.com/mediapipe.ImageToTensorCalculatorOptions] {
    output_tensor_width: 192 output_tensor_height: 192 keep_aspect_ratio: true
    output_tensor_float_range { min: -1 max: 1 } border_mode: BORDER_ZERO
  } }
}
node {
  calculator: "SsdAnchorsCalculator"
  output_side_packet: "anchors"
  node_options { [type.googleapis.com/mediapipe.SsdAnchorsCalculatorOptions] {
    input_size_width: 192 input_size_height: 192 min_scale: 0.1484375 max_scale: 0.75
    anchor_offset_x: 0.5 anchor_offset_y: 0.5 num_layers: 1 strides: 4 aspect_ratios: 1
    interpolated_scale_aspect_ratio: 0 fixed_anchor_size: true
  } }
}
node {
  calculator: "InferenceCalculatorCpu"
  input_stream: "TENSORS:input"
  output_stream: "TENSORS:output"
  node_options { [type.googleapis.com/mediapipe.InferenceCalculatorOptions] {
    model_path: "mediapipe/modules/face_detection/face_detection_full_range_sparse.tflite"
    delegate { xnnpack { num_threads: 1 } }
  } }
}
node {
  calculator: "TensorsToDetectionsCalculator"
  input_stream: "TENSORS:output"
  input_side_packet: "ANCHORS:anchors"
  output_stream: "DETECTIONS:candidates"
  node_options { [type.googleapis.com/mediapipe.TensorsToDetectionsCalculatorOptions] {
    num_classes: 1 num_boxes: 2304 num_coords: 16 x_scale: 192 y_scale: 192 w_scale: 192 h_scale: 192
    keypoint_coord_offset: 4 num_keypoints: 6 num_values_per_keypoint: 2 box_coord_offset: 0
    reverse_output_order: true sigmoid_score: true score_clipping_thresh: 100 min_score_thresh: %(min_score).6f
  } }
}
node {
  calculator: "NonMaxSuppressionCalculator"
  input_stream: "candidates"
  output_stream: "chosen"
  options { [mediapipe.NonMaxSuppressionCalculatorOptions.ext] {
    min_suppression_threshold: 0.3 overlap_type: INTERSECTION_OVER_UNION algorithm: WEIGHTED
  } }
}
node {
  calculator: "DetectionProjectionCalculator"
  input_stream: "DETECTIONS:chosen"
  input_stream: "PROJECTION_MATRIX:matrix"
  output_stream: "DETECTIONS:detections"
}
"""

_LANDMARK_GRAPH = """
input_stream: "image"
input_stream: "roi"
input_side_packet: "with_attention"
output_stream: "landmarks"
node {
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:roi"
  input_side_packet: "WITH_ATTENTION:with_attention"
  output_stream: "LANDMARKS:landmarks"
}
"""


class DetectorNetwork:
    """The full-range face detector: finds faces up to about five metres away."""

    def __init__(self, min_score: float) -> None:
        from mediapipe.python.solution_base import SolutionBase

        self._graph = SolutionBase(graph_config=_DETECTION_GRAPH % {"min_score": min_score})

    def __call__(self, image: Image) -> NDArray[np.float32]:
        """Faces in an RGB picture whose longer side is best `INPUT_SIDE`.

        Returns (n, 9): x0, y0, x1, y1, score, then x, y of the person's right and of the left eye, in pixels.
        """
        height, width = image.shape[:2]
        found = self._graph.process(image).detections or []
        rows = np.array([_row(detection) for detection in found], np.float32).reshape(-1, 9)
        return rows * np.array([width, height] * 2 + [1] + [width, height] * 2, np.float32)

    def close(self) -> None:
        """Let go of the graph and its threads."""
        self._graph.close()


def _row(detection: Any) -> tuple[float, ...]:
    location = detection.location_data
    box, (right, left) = location.relative_bounding_box, location.relative_keypoints[:2]
    corners = (box.xmin, box.ymin, box.xmin + box.width, box.ymin + box.height)
    return (*corners, detection.score[0], right.x, right.y, left.x, left.y)


class LandmarkNetwork:
    """The face landmark network with attention on eyes and lips; it also says whether there is a face at all."""

    def __init__(self) -> None:
        from mediapipe.framework.formats import rect_pb2
        from mediapipe.python.solution_base import SolutionBase

        self._graph = SolutionBase(graph_config=_LANDMARK_GRAPH, side_inputs={"with_attention": True})
        self._whole = rect_pb2.NormalizedRect(x_center=0.5, y_center=0.5, width=1.0, height=1.0)

    def __call__(self, crop: Image) -> NDArray[np.float32] | None:
        """478 points (x, y) in pixels of an upright square RGB crop round a face; None where it sees no face."""
        landmarks = self._graph.process({"image": crop, "roi": self._whole}).landmarks
        if landmarks is None:
            return None
        points = np.array([(point.x, point.y) for point in landmarks.landmark], np.float32)
        return points * np.float32(crop.shape[0])

    def close(self) -> None:
        """Let go of the graph and its threads."""
        self._graph.close()


@contextmanager
def quiet_native_logs() -> Iterator[None]:
    """Keep what mediapipe's C++ code prints while a graph starts off the terminal; on an error it is shown.

    The lines go straight to file descriptor 2 before any log level is read, so only that can be redirected.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        except BaseException:
            captured.seek(0)
            os.write(saved, captured.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def model_records() -> tuple[ModelRecord, ...]:
    """The two model files inside the installed package, with their sha256, without importing the package.

    Raises:
        PreconditionError: mediapipe is not installed, or is a version that carries no models.
    """
    spec = importlib.util.find_spec("mediapipe")
    if spec is None or not spec.submodule_search_locations:
        raise PreconditionError(
            "mediapipe is not installed in this Python environment.", hint="Run scripts/setup env."
        )
    records = []
    for name in MODEL_FILES:
        path = Path(spec.submodule_search_locations[0]) / name
        if not path.is_file():
            raise PreconditionError(
                f"The installed mediapipe has no model file {path.name}.",
                hint="Version 0.10.21 carries it: run scripts/setup env.",
            )
        records.append(ModelRecord(path.stem, file_sha256(path), "inside the mediapipe wheel (Apache-2.0)"))
    return tuple(records)
