"""Regions of a face: what part of the aligned face a network sees.

The paper trains 25 networks on "the same 25 face regions as used in" DeepID2, "in different scales,
positions, and color channels" (Sec. 5.5), which were published as a picture only. `regions.csv`
has 25 chosen by the rules that DeepID and DeepID2 state: global views and views centred on five
landmarks, each at several scales, in colour or in grey, and patches at varied positions; each
row says what it follows. A table of the same columns can take its place:

    name      what the region is called on the command line.
    centre    "face" for the centre of the aligned face, or landmarks joined by "+", whose mean it
              is: left_eye, right_eye, nose, mouth_left, mouth_right (left as the viewer sees it).
    dx, dy    how far from there the region's centre is, in pixels of an aligned face of 112 x 96.
    scale     width of the region, in widths of that aligned face.
    shape     "rectangle" (112 x 96 pixels) or "square" (96 x 96).
    channels  "colour" or "grey".
    source    where the choice comes from.
"""

import csv
import dataclasses
import os

import tensorflow as tf

from pipelines.faces.alignment import FRAME, face_frame, sample
from pipelines.faces.landmarks import LANDMARKS

TABLE = os.path.join(os.path.dirname(__file__), "regions.csv")
SHAPES = {"rectangle": (112, 96), "square": (96, 96)}
CHANNELS = {"colour": 3, "grey": 1}
MIRRORED = {
    "left_eye": "right_eye",
    "right_eye": "left_eye",
    "nose": "nose",
    "mouth_left": "mouth_right",
    "mouth_right": "mouth_left",
}


@dataclasses.dataclass(frozen=True)
class Region:
    """A part of the aligned face, see the columns of the table above.

    Attributes:
        landmarks: names of those whose mean is the centre; empty for that of the aligned face.
        offset: x and y of the region's centre from there, in pixels of the aligned face.
        height, width: size of the crop in pixels.
        channels: 3 or 1.
    """

    name: str
    landmarks: tuple = ()
    offset: tuple = (0.0, 0.0)
    scale: float = 1.0
    height: int = 112
    width: int = 96
    channels: int = 3
    source: str = ""

    def mirrored(self):
        """The region that a mirrored image shows where the image shows this one."""
        return dataclasses.replace(
            self,
            landmarks=_sorted(MIRRORED[name] for name in self.landmarks),
            offset=(-self.offset[0], self.offset[1]),
        )

    def scaled(self, width):
        """The same region as a crop of another width, in pixels."""
        return dataclasses.replace(self, height=round(self.height * width / self.width), width=width)


WHOLE_FACE = Region("face")


def read_regions(path=TABLE):
    """Reads a table of regions.

    Args:
        path: CSV file with the columns named above; any path that `tf.io.gfile` reads.

    Returns:
        Dict from the region's name to the `Region`, in the order of the table.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for a table that makes no sense, with the number of the line.
    """
    if not tf.io.gfile.exists(path):
        raise FileNotFoundError(f"No table of regions {path}: check its name.")
    columns = ["name", "centre", "dx", "dy", "scale", "shape", "channels"]
    regions = {}
    with tf.io.gfile.GFile(path) as file:
        rows = csv.DictReader(file, skipinitialspace=True)
        try:
            missing = [name for name in columns if name not in (rows.fieldnames or ())]
            if missing:
                raise ValueError(f"no column '{missing[0]}'; needed are {', '.join(columns)}")
            for row in rows:
                if None in [row[name] for name in columns]:
                    raise ValueError(f"the row has fewer fields than the {len(columns)} needed")
                region = _region({name: text and str(text).strip() for name, text in row.items()})
                if region.name in regions:
                    raise ValueError(f"region '{region.name}' stands there twice")
                regions[region.name] = region
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{path}, line {max(rows.line_num, 1)}: {error}.") from None
    if not regions:
        raise ValueError(f"{path} has no region: give it a row for each.")
    return regions


def _region(row):
    """A row of the table; ValueError says what is wrong with it."""
    if not row["name"] or set(row["name"]) & set("/\\, "):
        raise ValueError(f"'{row['name']}' is no name: it names a folder and takes no blank or comma")
    landmarks = [] if row["centre"] == "face" else row["centre"].split("+")
    for landmark in landmarks:
        if landmark not in LANDMARKS:
            raise ValueError(
                f"unknown landmark '{landmark}'; give face, or some of {', '.join(LANDMARKS)} "
                "joined by +"
            )
    for column, known in (("shape", SHAPES), ("channels", CHANNELS)):
        if row[column] not in known:
            raise ValueError(f"{column} must be {' or '.join(known)}, got '{row[column]}'")
    try:
        dx, dy, scale = (float(row[name]) for name in ("dx", "dy", "scale"))
    except ValueError:
        numbers = ", ".join(row[name] for name in ("dx", "dy", "scale"))
        raise ValueError(f"dx, dy and scale must be numbers, got {numbers}") from None
    if not 0.1 <= scale <= 4 or not max(abs(dx), abs(dy)) <= 112:
        raise ValueError(
            f"scale {scale:g} with offset ({dx:g}, {dy:g}) leaves the face: scale goes from 0.1 to "
            "4, dx and dy from -112 to 112"
        )
    height, width = SHAPES[row["shape"]]
    return Region(
        row["name"],
        _sorted(landmarks),
        (dx, dy),
        scale,
        height,
        width,
        CHANNELS[row["channels"]],
        row.get("source") or "",
    )


def _sorted(landmarks):
    return tuple(sorted(landmarks, key=LANDMARKS.index))


def crop_region(image, landmarks, region, *, mirrored=False, motion=None):
    """Cuts a region out of an image, sampled once.

    Args:
        image: tensor (h, w, 3) of any real type.
        landmarks: float tensor (5, 2), x and y in pixels, integers at the centres of pixels; not
            known where any is NaN.
        region: a `Region`.
        mirrored: boolean scalar tensor; True gives the region of the mirrored face, so "left_eye"
            is then the mirrored right eye.
        motion: a small movement of the region as `Augmentation.motion` gives it, or None.

    Returns:
        float32 tensor (region.height, region.width, region.channels) in the range of the image.
    """
    c, d, points = face_frame(landmarks, tf.shape(image)[:2])
    weights, offset = (
        tf.where(mirrored, other, own)
        for own, other in zip(_centre(region), _centre(region.mirrored()))
    )
    centre = tf.tensordot(weights, tf.concat([points, d[None]], 0), 1) + c * offset
    step = c * _step(region)
    if motion is not None:
        turn, shift = motion
        # Turned and scaled about the region's centre; shifted by shares of its size.
        pixels = shift * tf.constant([region.width, region.height], tf.float64)
        centre += step * tf.complex(*tf.unstack(pixels))
        step = step * turn
    return sample(
        image,
        step,
        centre - step * _middle(region.height, region.width),
        region.height,
        region.width,
        mirrored=mirrored,
        grey=region.channels == 1,
    )


def crop_regions(image, landmarks, regions, *, mirrored=False, change=lambda pixels: pixels):
    """Cuts many regions out of an image: it is sampled once, at the resolution of the finest.

    What one gets differs from `crop_region` by a second bilinear interpolation.

    Args:
        image, landmarks: see `crop_region`.
        regions: list of `Region`.
        mirrored: boolean; whether to give the regions of the mirrored face.
        change: a linear function of pixels, such as one to another range; it is computed once for
            all regions.

    Returns:
        List of float32 tensors (height, width, channels), one for each region.
    """
    c, d, points = face_frame(landmarks, tf.shape(image)[:2])
    seen = [region.mirrored() if mirrored else region for region in regions]
    weights, offsets = map(tf.stack, zip(*map(_centre, seen)))
    centres = (tf.linalg.matvec(weights, tf.concat([points, d[None]], 0)) - d) / c + offsets
    steps = tf.stack([_step(region) for region in seen])
    sides = 2 * tf.stack([_middle(region.height, region.width) for region in seen])
    first, last = centres - steps * sides / 2, centres + steps * sides / 2

    # An upright canvas that holds them all. Finer than the image's own pixels it need not be. It has
    # a pixel more on every side: crop_and_resize gives black for a position that is outside by no
    # more than a rounding error.
    fine = tf.maximum(tf.reduce_min(tf.math.real(steps)), 1 / tf.abs(c))
    fine = tf.cast(tf.minimum(fine, tf.reduce_max(tf.math.real(steps))), steps.dtype)
    corner = tf.complex(
        tf.reduce_min(tf.math.real(first)), tf.reduce_min(tf.math.imag(first))
    ) - fine * (1 + 1j)
    first, last = (first - corner) / fine, (last - corner) / fine
    width = tf.math.ceil(tf.reduce_max(tf.math.real(last))) + 2
    height = tf.math.ceil(tf.reduce_max(tf.math.imag(last))) + 2
    canvas = sample(
        image, c * fine, c * corner + d, tf.cast(height, tf.int32), tf.cast(width, tf.int32)
    )
    canvases = {3: change(canvas)}
    if any(region.channels == 1 for region in seen):
        canvases[1] = tf.image.rgb_to_grayscale(canvases[3])

    # crop_and_resize counts positions from 0 to 1 between the centres of the outermost pixels, and
    # mirrors where the right side is given first.
    across, down = [tf.math.real(first), tf.math.real(last)], [tf.math.imag(first), tf.math.imag(last)]
    left, right = reversed(across) if mirrored else across
    boxes = tf.stack([down[0], left, down[1], right], axis=1)
    boxes = tf.cast(boxes / (tf.stack([height, width, height, width]) - 1), tf.float32)
    crops = [None] * len(seen)
    kinds = [(region.height, region.width, region.channels) for region in seen]
    for kind in set(kinds):
        which = [i for i, other in enumerate(kinds) if other == kind]
        parts = tf.image.crop_and_resize(
            canvases[kind[2]][None], tf.gather(boxes, which), [0] * len(which), kind[:2]
        )
        for i, crop in zip(which, tf.unstack(parts)):
            crops[i] = crop
    return crops


def _centre(region):
    """Centre of a region in an image.

    Returns:
        weights: complex128 tensor (6,), by which the five landmarks, and the place of the frame's
            first pixel, are to be summed.
        offset: complex128 scalar, how far from there the centre is, in the frame.
    """
    chosen = [name in region.landmarks for name in LANDMARKS] + [not region.landmarks]
    weights = tf.constant(chosen, tf.complex128) / sum(chosen)
    offset = tf.constant(complex(*region.offset), tf.complex128)
    return weights, offset if region.landmarks else offset + _middle(*FRAME)


def _step(region):
    """Pixels of the frame to a pixel of the crop, complex128 scalar."""
    return tf.constant(region.scale * FRAME[1] / region.width, tf.complex128)


def _middle(height, width):
    return tf.constant(complex(width - 1, height - 1) / 2, tf.complex128)
