"""Faces in one picture: detect in the whole and in tiles, then look at each closely with the landmark network."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from workflow_scripts.step5.detection import FaceDetection
from workflow_scripts.step5.geometry import Box, clip_box, cut_by_tile, suppress, tile_spots
from workflow_scripts.step5.networks import INPUT_SIDE, DetectorNetwork, Image, LandmarkNetwork, quiet_native_logs

#: The crop for the landmark network is this much larger than the detector's box (mediapipe's own graph: 1.5).
CROP_SCALE = 1.5
#: The detector's boxes are squares; the outline of the landmarks of the same face is narrower. Width and height
#: as shares of the square: median over 346 faces, frontal and turned, of eight clips; the centres agree.
BOX_WIDTH, BOX_HEIGHT = 0.86, 1.03

# Landmark numbers of mediapipe's canonical face: three pairs of points on the inner lips, outer eye corners.
_UPPER_LIP, _LOWER_LIP = (82, 13, 312), (87, 14, 317)
_RIGHT_EYE, _LEFT_EYE = 33, 263
_FACE_POINTS = 468  # the rest are irises


class FaceFinder:
    """Finds the faces of single pictures; holds the networks, remembers nothing between pictures.

    Args:
        min_confidence: detections below this score are dropped, 0 to 1.
        tile_rows: rows of tiles along the shorter side that are searched besides the whole picture; 0 for none.
        max_faces: at most so many faces a picture, the largest first.

    Raises:
        RuntimeError: mediapipe cannot build its graphs.
    """

    def __init__(self, min_confidence: float, tile_rows: int, max_faces: int) -> None:
        self._tile_rows, self._max_faces = tile_rows, max_faces
        with quiet_native_logs():
            self._detector = DetectorNetwork(min_confidence)
            self._landmarks = LandmarkNetwork()
            blank = np.zeros((INPUT_SIDE, INPUT_SIDE, 3), np.uint8)
            self._detector(blank)  # the last of the native log lines come with the first picture
            self._landmarks(blank)

    def __call__(self, picture: Image) -> tuple[FaceDetection, ...]:
        """The faces of an RGB picture (height, width, 3), from left to right."""
        height, width = picture.shape[:2]
        rows = self._candidates(picture)
        rows = rows[suppress(rows[:, :4], rows[:, 4])]
        rows = rows[np.argsort(-(rows[:, 2] - rows[:, 0]), kind="stable")][: self._max_faces]
        faces = (self._look_closely(picture, row) for row in rows)
        inside = (face for face in faces if _visible(face.box, width, height))
        return tuple(sorted(inside, key=lambda face: (face.box, face.confidence)))

    def _candidates(self, picture: Image) -> NDArray[np.float32]:
        """Detections of the whole picture and of its tiles, (n, 9), in pixels of the picture."""
        height, width = picture.shape[:2]
        found = [detect_scaled(self._detector, picture)]
        for x, y, side in tile_spots(width, height, self._tile_rows):
            rows = detect_scaled(self._detector, picture[y : y + side, x : x + side])
            rows = rows + np.array([x, y, x, y, 0, x, y, x, y], np.float32)
            found.append(rows[~cut_by_tile(rows, (x, y, side), width, height)])
        return np.concatenate(found)

    def _look_closely(self, picture: Image, row: NDArray[np.float32]) -> FaceDetection:
        height, width = picture.shape[:2]
        crop, to_picture = face_crop(picture, row)
        points = self._landmarks(crop)
        confidence = round(float(row[4]), 4)
        if points is None:
            return FaceDetection(clip_box(_face_box(row), width, height), confidence)
        outline = points[:_FACE_POINTS] @ to_picture[:, :2].T + to_picture[:, 2]
        (x0, y0), (x1, y1) = outline.min(0), outline.max(0)
        box = clip_box((float(x0), float(y0), float(x1), float(y1)), width, height)
        return FaceDetection(box, confidence, mouth_opening(points))

    def close(self) -> None:
        """Let go of the networks."""
        self._detector.close()
        self._landmarks.close()


def detect_scaled(detector: DetectorNetwork, picture: Image) -> NDArray[np.float32]:
    """Detections (n, 9) in a picture of any size, in its own pixels; it is shrunk by averaging, not by skipping."""
    height, width = picture.shape[:2]
    scale = INPUT_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.ascontiguousarray(cv2.resize(picture, size, interpolation=method), np.uint8)
    x_scale, y_scale = width / size[0], height / size[1]
    factors = [x_scale, y_scale] * 2 + [1] + [x_scale, y_scale] * 2
    return detector(small) * np.array(factors, np.float32)


def face_crop(picture: Image, row: NDArray[np.float32]) -> tuple[Image, NDArray[np.float64]]:
    """An upright square of `INPUT_SIDE` pixels round a detected face, and the map (2, 3) from it to the picture."""
    x0, y0, x1, y1 = (float(value) for value in row[:4])
    side = CROP_SCALE * max(x1 - x0, y1 - y0, 1.0)
    across, down = float(row[7] - row[5]), float(row[8] - row[6])
    # In profile both eyes fall together and the line between them says nothing about the head's tilt.
    tilt = math.degrees(math.atan2(down, across)) if math.hypot(across, down) > 0.1 * side / CROP_SCALE else 0.0
    centre = ((x0 + x1) / 2, (y0 + y1) / 2)
    to_crop = cv2.getRotationMatrix2D(centre, tilt, INPUT_SIDE / side)
    to_crop[:, 2] = to_crop[:, 2] + INPUT_SIDE / 2 - np.array(centre)
    size = (INPUT_SIDE, INPUT_SIDE)
    crop = cv2.warpAffine(picture, to_crop, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop, np.uint8), np.asarray(cv2.invertAffineTransform(to_crop), np.float64)


def mouth_opening(points: NDArray[np.float32]) -> float:
    """Mean distance of three pairs of inner-lip points over the distance between the outer eye corners."""
    lips = np.linalg.norm(points[list(_UPPER_LIP)] - points[list(_LOWER_LIP)], axis=1).mean()
    eyes = np.linalg.norm(points[_RIGHT_EYE] - points[_LEFT_EYE])
    return float(lips / max(float(eyes), 1e-3))


def _face_box(row: NDArray[np.float32]) -> Box:
    """The box a verified face would have, from the detector's square alone."""
    x0, y0, x1, y1 = (float(value) for value in row[:4])
    side = max(x1 - x0, y1 - y0)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    half_width, half_height = BOX_WIDTH * side / 2, BOX_HEIGHT * side / 2
    return (x - half_width, y - half_height, x + half_width, y + half_height)


def _visible(box: Box, width: int, height: int) -> bool:
    """Whether at least a few pixels of a clipped box are left."""
    x0, y0, x1, y1 = clip_box(box, width, height)
    return x1 - x0 >= 4 and y1 - y0 >= 4
