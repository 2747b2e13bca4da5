"""Random changes to training images: movements of the crop, light, blur and occlusion."""

import dataclasses
import math
from collections.abc import Mapping

import tensorflow as tf

from pipelines.faces.limits import check_limits

# Random numbers of an example: ten for its landmarks, then these, in this order.
DRAWS = {
    "rotation": 1,
    "scaling": 1,
    "shift": 2,
    "brightness": 1,
    "contrast": 1,
    "blur": 1,
    "occlusion": 8,
}


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How far training images may be changed; every amount is drawn uniformly up to its limit.

    Movements act on the placement of the crop, which is sampled once whatever moves it. The rest
    acts on the crop.

    Attributes:
        flip: mirror half of the images.
        jitter: standard deviation of an error added to every landmark before the face is aligned,
            in distances between the eyes, as of an imprecise detector.
        rotation: largest angle either way, in degrees.
        scaling: largest change of the scale either way: 0.15 gives factors 1/1.15 … 1.15.
        shift: largest shift either way along x and y, in widths and heights of the crop.
        brightness: largest change either way, in shares of the range of pixels.
        contrast: largest change either way: 0.3 gives factors 1/1.3 … 1.3 about the mean.
        blur: largest standard deviation of a Gaussian, in pixels of the crop.
        occlusion: largest share of the crop's area that a rectangle of one colour covers, in half
            of the images.
    """

    flip: bool = True
    jitter: float = 0.0
    rotation: float = 0.0
    scaling: float = 0.0
    shift: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    blur: float = 0.0
    occlusion: float = 0.0

    def __post_init__(self) -> None:
        check_limits(self)

    @property
    def changes(self) -> bool:
        """Whether there is anything to draw besides the flip."""
        return any(getattr(self, field.name) for field in dataclasses.fields(self)[1:])

    def draw(self, seed: int, example: tf.Tensor) -> dict[str, tf.Tensor]:
        """The random numbers of one example, a pure function of both arguments.

        Args:
            seed: integer.
            example: int64 scalar tensor, the example's number among all that are ever drawn.

        Returns:
            Dict of float64 tensors: "jitter" (5, 2) of a normal distribution, the others uniform
            in [0, 1), as many as `DRAWS` says.
        """
        key = tf.stack([tf.constant(seed, tf.int64), tf.cast(example, tf.int64)])
        uniform = tf.random.stateless_uniform([sum(DRAWS.values())], key, dtype=tf.float64)
        parts = dict(zip(DRAWS, tf.split(uniform, list(DRAWS.values()))))
        # Another stream than that of the uniform numbers.
        normal = tf.random.stateless_normal([5, 2], key + [1 << 32, 0], dtype=tf.float64)
        return {"jitter": normal, **parts}

    def jittered(self, landmarks: tf.Tensor, draws: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Landmarks (5, 2) with an error added; unknown ones stay unknown."""
        if not self.jitter:
            return landmarks
        landmarks = tf.cast(landmarks, tf.float64)
        eyes = tf.norm(landmarks[1] - landmarks[0])
        return landmarks + self.jitter * eyes * draws["jitter"]

    def motion(self, draws: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Movement of a crop about its centre, as `crop_region` takes it.

        Returns:
            turn: complex128 scalar, by which steps inside the crop are turned and scaled.
            shift: float64 tensor (2,), shift along x and y in widths and heights of the crop.
        """
        angle = math.radians(self.rotation) * _either_way(draws["rotation"][0])
        scale = (1 + self.scaling) ** _either_way(draws["scaling"][0])
        turn = tf.complex(scale * tf.cos(angle), scale * tf.sin(angle))
        return turn, self.shift * _either_way(draws["shift"])

    def finish(self, crop: tf.Tensor, draws: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Light, blur and occlusion.

        Args:
            crop: float32 tensor (height, width, channels) in [0, 255], channels stated.
            draws: of `draw`.

        Returns:
            The changed crop in [0, 255].
        """
        draws = {name: tf.cast(value, tf.float32) for name, value in draws.items()}
        if self.blur:
            crop = _blurred(crop, self.blur * draws["blur"][0], self.blur)
        if self.contrast:
            factor = (1 + self.contrast) ** _either_way(draws["contrast"][0])
            mean = tf.reduce_mean(crop, axis=(0, 1), keepdims=True)
            crop = mean + factor * (crop - mean)
        if self.brightness:
            crop += 255 * self.brightness * _either_way(draws["brightness"][0])
        if self.occlusion:
            crop = _occluded(crop, self.occlusion, draws["occlusion"])
        return tf.clip_by_value(crop, 0.0, 255.0)


def _either_way(uniform):
    """[0, 1) to [-1, 1)."""
    return 2 * uniform - 1


def _blurred(crop, spread, most):
    """A Gaussian blur of standard deviation `spread`, at most `most` pixels."""
    radius = math.ceil(3 * most)
    place = tf.range(-radius, radius + 1, dtype=tf.float32)
    kernel = tf.exp(-0.5 * tf.square(place / tf.maximum(spread, 1e-3)))
    kernel /= tf.reduce_sum(kernel)
    channels = crop.shape[-1]
    # Mirrored at the border, which a blur would otherwise darken.
    padded = tf.pad(crop, [(radius, radius), (radius, radius), (0, 0)], "SYMMETRIC")[None]
    for shape in ((-1, 1, 1, 1), (1, -1, 1, 1)):
        filters = tf.tile(tf.reshape(kernel, shape), (1, 1, channels, 1))
        padded = tf.nn.depthwise_conv2d(padded, filters, (1, 1, 1, 1), "VALID")
    return padded[0]


def _occluded(crop, most, uniform):
    """Half of the time a rectangle of one colour, of up to `most` of the area."""
    height, width, channels = crop.shape
    happens, area, aspect, x, y = tf.unstack(uniform[:5])
    # Sides from half to twice those of a rectangle of the crop's own shape.
    area, aspect = most * area, 2 ** _either_way(aspect)
    tall = tf.minimum(tf.sqrt(area * aspect), 1.0)
    wide = tf.minimum(tf.sqrt(area / aspect), 1.0)
    rows = tf.abs((tf.range(height, dtype=tf.float32) + 0.5) / height - y) <= tall / 2
    columns = tf.abs((tf.range(width, dtype=tf.float32) + 0.5) / width - x) <= wide / 2
    covered = rows[:, None] & columns & (happens < 0.5)
    return tf.where(covered[..., None], 255 * uniform[5 : 5 + channels], crop)
