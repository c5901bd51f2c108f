"""What is seen of a face in one picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

from workflow_scripts.step5.geometry import Box


@dataclass(frozen=True, slots=True)
class FaceDetection:
    """A face in one picture.

    `box` is `(x0, y0, x1, y1)` in pixels, inside the picture; `confidence` is the detector's, 0 to 1;
    `mouth_opening` is the distance between the inner lips over the distance between the outer eye corners
    (0 closed, about 0.3 wide open), None where the landmark network saw no face in the crop.
    """

    box: Box
    confidence: float
    mouth_opening: float | None = None

    @property
    def verified(self) -> bool:
        """Whether the landmark network agrees that this is a face."""
        return self.mouth_opening is not None

    def scaled(self, factor: float) -> FaceDetection:
        """The same face in a picture `factor` times as large."""
        if factor == 1.0:
            return self
        x0, y0, x1, y1 = self.box
        return replace(self, box=(x0 * factor, y0 * factor, x1 * factor, y1 * factor))
