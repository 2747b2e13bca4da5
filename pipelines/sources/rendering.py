"""Draws one face with TensorFlow operations: a turned, lit and painted ellipsoid.

The head is an ellipsoid seen from the front, turned by yaw and pitch, so every pixel of its
disc is a point on a unit sphere. Features are painted where their outline holds in the head's
own frontal coordinates; lengths are in units of the average distance between the eyes. Light
falls on the sphere's normals, bent by the slopes of a height field that holds nose, sockets,
cheeks, lips and chin. Masks are single planes and are composed back to front into weights, so
that all colouring is one small matrix product.
"""

import math

import tensorflow as tf

# Shape and albedo of a person: mean and spread of a normal variable cut off at two spreads.
IDENTITY = {
    "head_width": (1.16, 0.07), "head_height": (1.84, 0.07), "jaw": (-0.02, 0.15),
    "cheek": (0.10, 0.05), "chin": (0.06, 0.04),
    "eye_x": (0.50, 0.028), "eye_y": (-0.12, 0.045), "eye_width": (0.215, 0.022),
    "eye_height": (0.105, 0.02), "eye_tilt": (0.0, 0.16), "socket": (0.09, 0.045),
    "brow_y": (0.27, 0.04), "brow_thickness": (0.052, 0.018), "brow_arch": (0.06, 0.04),
    "brow_tilt": (0.0, 0.045), "brow_gap": (0.17, 0.045),
    "nose_length": (0.60, 0.05), "nose_width": (0.19, 0.035), "nose_height": (0.26, 0.06),
    "mouth_y": (1.16, 0.05), "mouth_width": (0.44, 0.045), "upper_lip": (0.075, 0.025),
    "lower_lip": (0.105, 0.03), "hairline": (-1.0, 0.13), "hair_sides": (0.15, 0.28),
    "hair_volume": (0.13, 0.06), "skin_tone": (0.2, 1.1), "skin_red": (0.0, 0.03),
    "hair_tone": (-0.6, 1.3), "hair_red": (0.0, 0.05), "eye_tone": (0.0, 1.2),
    "lip_red": (0.10, 0.05), "beard": (-0.15, 0.3), "mole_x": (0.0, 0.45), "mole_y": (0.6, 0.4),
    "freckles": (0.04, 0.04),
}

# What changes from picture to picture of one person: the same kind of variable.
SCENE = {
    "yaw": (0.0, 0.25), "pitch": (0.0, 0.13), "roll": (0.0, 0.13), "scale": (1.0, 0.05),
    "shift_x": (0.0, 0.02), "shift_y": (0.0, 0.02),
    "smile": (0.3, 0.8), "open_mouth": (0.0, 0.09), "brow_raise": (0.0, 0.035),
    "eye_open": (1.0, 0.2), "gaze": (0.0, 0.05),
    "light_x": (0.0, 0.65), "light_y": (-0.35, 0.4), "light_strength": (0.75, 0.2),
    "ambient": (0.45, 0.13), "light_blue": (0.0, 0.13), "light_green": (0.0, 0.05),
    "hair_dark": (0.0, 0.12), "hair_shift": (0.0, 0.08), "shirt_red": (0.45, 0.25),
    "shirt_green": (0.42, 0.22), "shirt_blue": (0.45, 0.25),
    "box_x": (0.5, 0.3), "box_y": (0.6, 0.3), "box_width": (0.14, 0.04),
    "box_height": (0.14, 0.04), "box_tone": (0.5, 0.25),
    "blur_x": (0.8, 0.5), "blur_y": (0.8, 0.5), "noise": (0.03, 0.018), "contrast": (0.0, 0.2),
    "brightness": (0.0, 0.05), "red_cast": (0.0, 0.1), "blue_cast": (0.0, 0.1),
}

# Things that a picture has or has not, with how often it has.
EVENTS = {"sunglasses": 0.06, "glasses": 0.15, "scarf": 0.05, "box": 0.12, "shut_eyes": 0.05,
          "grey": 0.12, "fringe": 0.12}

EYE_DISTANCE = 34 / 128      # of the picture's width
CLUTTER = 9                  # background cells along a side


def _rgb(red, green, blue):
    return tf.stack([tf.convert_to_tensor(c, tf.float32) for c in (red, green, blue)])


def _blend(low, high, weight):
    """The colour between two constant ones."""
    return tf.constant(low) + (tf.constant(high) - tf.constant(low)) * weight


def project(points, face, scene):
    """Turns points of the head into the upright picture plane.

    Args:
        points: Float tensor (n, 3): frontal coordinates x, y in eye distances from the head's
            centre, and how far the point stands out of the ellipsoid, in its radius.
        face: Mapping of the names in `IDENTITY` to scalars.
        scene: Mapping of the names in `SCENE` to scalars.

    Returns:
        Float tensor (n, 2): x, y in eye distances from the head's centre.
    """
    u, v, out = tf.unstack(points, axis=1)
    u, v = u / face["head_width"], v / face["head_height"]
    w = tf.sqrt(tf.maximum(1.0 - u * u - v * v, 0.0)) + out
    sin_yaw, cos_yaw = tf.sin(scene["yaw"]), tf.cos(scene["yaw"])
    sin_pitch, cos_pitch = tf.sin(scene["pitch"]), tf.cos(scene["pitch"])
    y = v * cos_pitch + w * sin_pitch
    x = u * cos_yaw + (w * cos_pitch - v * sin_pitch) * sin_yaw
    width = face["head_width"] * _jaw(y, face)
    return tf.stack([x * width, y * face["head_height"]], axis=1)


def _jaw(y, face):
    """Width of the head at height y (-1 top … 1 chin) relative to an ellipse's."""
    return 1.0 - face["jaw"] * tf.square(tf.maximum(y, 0.0))


def landmarks_of(face, scene):
    """Eyes, nose and mouth corners in the head's own coordinates.

    Returns:
        Float tensor (5, 3) for `project`, in the order left eye, right eye, nose, left and
        right mouth corner; left is the viewer's left.
    """
    eye_x, eye_y, zero = face["eye_x"], face["eye_y"], tf.zeros(())
    mouth_x = face["mouth_width"] * (1.0 + 0.10 * scene["smile"])
    mouth_y = face["eye_y"] + face["mouth_y"] - 0.05 * scene["smile"]
    return tf.stack([
        tf.stack([-eye_x, eye_y, zero]), tf.stack([eye_x, eye_y, zero]),
        tf.stack([zero, eye_y + face["nose_length"], face["nose_height"]]),
        tf.stack([-mouth_x, mouth_y, zero]), tf.stack([mouth_x, mouth_y, zero])])


class _Layers:
    """Masks painted one over another, and the colours they carry."""

    def __init__(self):
        self._layers = []

    def paint(self, mask, colour, shade=None):
        """Puts a colour (3,) over what is below where mask (size, size) is 1."""
        self._layers.append((mask, colour, shade))

    def compose(self, background):
        """Looks through all layers from the front.

        Args:
            background: Float tensor (3, size, size), seen where no layer covers.

        Returns:
            Float tensor (3, size, size).
        """
        weights, colours, through = [], [], None
        for mask, colour, shade in reversed(self._layers):
            weight = mask if through is None else through * mask
            through = 1.0 - weight if through is None else through - weight
            weights.append(weight if shade is None else weight * shade)
            colours.append(colour)
        painted = tf.tensordot(tf.stack(colours, 1), tf.stack(weights), 1)
        return painted + background * through


def draw(face, scene, events, key, size):
    """Draws one picture.

    Args:
        face: Mapping of the names in `IDENTITY` to float scalars.
        scene: Mapping of the names in `SCENE` to float scalars.
        events: Mapping of the names in `EVENTS` to 0.0 or 1.0.
        key: Integer tensor (2,), the seed of background and noise.
        size: Height and width of the picture in pixels.

    Returns:
        The picture, uint8 (size, size, 3), and the landmarks, float32 (5, 2): x, y in pixels
        in the order of `landmarks_of`.
    """
    unit = size * EYE_DISTANCE * scene["scale"]  # pixels an eye distance

    def inside(distance, softness=1.0):
        """1 where distance (in eye distances) is positive, with an edge one pixel wide."""
        return tf.clip_by_value(distance * (unit / softness) + 0.5, 0.0, 1.0)

    # Where things lie in the picture: the landmarks' centre stands a little below the middle.
    flat = project(landmarks_of(face, scene), face, scene)
    sin_roll, cos_roll = tf.sin(scene["roll"]), tf.cos(scene["roll"])
    turn = tf.stack([tf.stack([cos_roll, sin_roll]), tf.stack([-sin_roll, cos_roll])])
    middle = size * tf.stack([0.5 + scene["shift_x"], 0.585 + scene["shift_y"]])
    turned = tf.matmul(flat, turn) * unit
    origin = middle - tf.reduce_mean(turned, 0)
    landmarks = turned + origin

    # Every pixel in upright coordinates, on the sphere, and in the head's frontal coordinates.
    column = (tf.range(size, dtype=tf.float32) - origin[0]) / unit
    row = (tf.range(size, dtype=tf.float32)[:, None] - origin[1]) / unit
    x = column * cos_roll + row * sin_roll
    y = row * cos_roll - column * sin_roll
    ball_y = y / face["head_height"]
    ball_x = x / (face["head_width"] * _jaw(ball_y, face))
    radius2 = ball_x * ball_x + ball_y * ball_y
    ball_z = tf.sqrt(tf.maximum(1.0 - radius2, 0.0))
    sin_yaw, cos_yaw = tf.sin(scene["yaw"]), tf.cos(scene["yaw"])
    sin_pitch, cos_pitch = tf.sin(scene["pitch"]), tf.cos(scene["pitch"])
    depth = ball_x * sin_yaw + ball_z * cos_yaw
    u = (ball_x * cos_yaw - ball_z * sin_yaw) * face["head_width"]
    v = (ball_y * cos_pitch - depth * sin_pitch) * face["head_height"]
    w = ball_y * sin_pitch + depth * cos_pitch
    on_head = inside((1.0 - radius2) * 0.55)
    side = tf.abs(u)

    # Eyes: both at once, as the coordinates outward from the nose mirror one another.
    eye_p = (side - face["eye_x"]) / face["eye_width"]
    eye_q = v - face["eye_y"] + face["eye_tilt"] * (side - face["eye_x"])
    arc = 1.0 - eye_p * eye_p
    between_corners = inside(arc * 0.1 - 0.01)
    arc = tf.maximum(arc, 0.0)
    opening = face["eye_height"] * tf.maximum(scene["eye_open"], 0.15) * (
        1.0 - 0.92 * events["shut_eyes"])
    above_lid = eye_q + arc * opening
    eye = inside(above_lid) * inside(0.75 * opening * arc - eye_q) * between_corners
    iris_p = u - tf.sign(u) * face["eye_x"] - scene["gaze"]
    iris = inside(0.098 - tf.sqrt(iris_p * iris_p + eye_q * eye_q))
    pupil = inside(0.042 - tf.sqrt(iris_p * iris_p + eye_q * eye_q))
    lash = inside(0.022 - tf.abs(above_lid)) * between_corners
    socket = tf.exp(-0.8 * eye_p * eye_p - 22.0 * tf.square(eye_q + 0.06))

    # Brows.
    brow_p = (side - face["brow_gap"]) / 0.62
    brow_line = face["eye_y"] - face["brow_y"] - scene["brow_raise"] - face["brow_arch"] * (
        4.0 * brow_p * (1.0 - brow_p)) + face["brow_tilt"] * (1.0 - 2.0 * brow_p)
    brow = inside(face["brow_thickness"] * (1.15 - 0.7 * brow_p) - tf.abs(v - brow_line), 2.0)
    brow *= inside(0.3 - tf.abs(brow_p - 0.5) * 0.62, 3.0)

    # Mouth: lips bound by parabolas over the distance from the middle.
    mouth_p = side / (face["mouth_width"] * (1.0 + 0.10 * scene["smile"]))
    bow = 1.0 - mouth_p * mouth_p
    between_ends = inside(bow * 0.2 - 0.01)
    bow = tf.maximum(bow, 0.0)
    mouth_q = v - (face["eye_y"] + face["mouth_y"] - 0.05 * scene["smile"]) - (
        0.10 * scene["smile"]) * bow
    gap = tf.maximum(scene["open_mouth"], 0.0) * bow
    cupid = bow * (1.0 - 0.35 * tf.exp(-60.0 * mouth_p * mouth_p))
    lips = inside(mouth_q + face["upper_lip"] * cupid) * inside(
        gap + face["lower_lip"] * bow - mouth_q) * between_ends
    mouth_line = inside(mouth_q + 0.012) * inside(gap + 0.012 - mouth_q) * between_ends
    teeth = mouth_line * inside(0.5 * gap - 0.01 - mouth_q)

    # Nose: in the plane of the picture, along the line from its root to its tip.
    root = project(tf.stack([tf.zeros(()), face["eye_y"], tf.zeros(())])[None], face, scene)[0]
    along = flat[2] - root
    length = tf.norm(along)
    along /= length
    nose_t = ((x - root[0]) * along[0] + (y - root[1]) * along[1]) / length
    nose_s = tf.abs((x - root[0]) * along[1] - (y - root[1]) * along[0])
    ramp = tf.clip_by_value(nose_t, 0.0, 1.0)
    half = face["nose_width"] * (0.42 + 0.4 * ramp * ramp)
    below = tf.clip_by_value((1.22 - nose_t) * 5.0, 0.0, 1.0)
    nose = (0.25 + 0.75 * ramp) * tf.exp(-tf.square(nose_s / half)) * below * tf.clip_by_value(
        (nose_t + 0.35) * 3.0, 0.0, 1.0)
    wing_t = nose_t - 1.02
    wings = tf.exp(-tf.square((nose_s - face["nose_width"] * 0.85) * 13.0)
                   - 40.0 * wing_t * wing_t)
    nostrils = tf.exp(-tf.square((nose_s - face["nose_width"] * 0.48) * 17.0)
                      - 190.0 * tf.square(wing_t - 0.1))

    # Heights that bend the light.
    cheeks = tf.exp(-6.0 * tf.square(side - 0.58) - 7.0 * tf.square(v - face["eye_y"] - 0.5))
    chin = tf.exp(-6.0 * u * u - 14.0 * tf.square(v - 1.52))
    ridge = tf.exp(-22.0 * tf.square(v - brow_line) - 0.8 * eye_p * eye_p)
    height = (face["nose_height"] * 0.85 * nose + 0.07 * wings + face["cheek"] * cheeks
              + face["chin"] * chin + 0.045 * ridge - face["socket"] * socket
              + 0.035 * lips * bow - 0.03 * mouth_line)
    slope_x = (tf.roll(height, -1, 1) - tf.roll(height, 1, 1)) * (0.5 * unit)
    slope_y = (tf.roll(height, -1, 0) - tf.roll(height, 1, 0)) * (0.5 * unit)
    light = tf.stack([scene["light_x"], scene["light_y"], tf.ones(())])
    light /= tf.norm(light)
    upright_x = light[0] * cos_roll + light[1] * sin_roll
    upright_y = light[1] * cos_roll - light[0] * sin_roll
    facing = (ball_x * upright_x + ball_y * upright_y + ball_z * light[2]
              - slope_x * light[0] - slope_y * light[1]) * tf.math.rsqrt(
                  1.0 + slope_x * slope_x + slope_y * slope_y)
    lit = tf.maximum(facing, 0.0)
    shine = tf.square(tf.square(lit))
    shade = scene["ambient"] + scene["light_strength"] * lit + 0.12 * shine * shine
    freckle = tf.sin(9.0 * u + 5.0 * v + 9.0 * face["mole_x"]) * tf.sin(
        7.0 * v - 6.0 * u + 9.0 * face["mole_y"])
    skin_shade = shade * (1.0 + face["freckles"] * freckle)

    # Colours.
    tint = tf.stack([1.0 - scene["light_blue"], 1.0 + scene["light_green"],
                     1.0 + scene["light_blue"]])
    red = face["skin_red"]
    skin = tint * (_blend([0.36, 0.22, 0.15], [0.93, 0.76, 0.66], tf.sigmoid(face["skin_tone"]))
                   + tf.stack([red, -red, -red]))
    hair = tint * (_blend([0.06, 0.05, 0.05], [0.72, 0.58, 0.40], tf.sigmoid(face["hair_tone"]))
                   + tf.stack([face["hair_red"], 0.0, -face["hair_red"]])) * (
                       1.0 + scene["hair_dark"])
    brows = 0.75 * hair + 0.1 * skin
    lip = skin * tf.stack([0.92, 0.70 - face["lip_red"], 0.72 - face["lip_red"]])
    iris_colour = tint * _blend([0.22, 0.13, 0.07], [0.35, 0.50, 0.62],
                                tf.sigmoid(face["eye_tone"]))
    shirt = _rgb(scene["shirt_red"], scene["shirt_green"], scene["shirt_blue"])
    dark = tint * 0.06

    # Hair hangs behind the head, and covers the skull above the hairline and at the sides.
    hair_end = face["hair_sides"] * 3.5 + scene["hair_shift"]
    volume = 1.0 + face["hair_volume"]
    behind = inside((volume * volume - radius2) * 0.5, 3.0) * inside(hair_end - y, 6.0)
    hairline = face["hairline"] + scene["hair_shift"] * 0.5 + 0.35 * events["fringe"]
    front = inside(tf.maximum(hairline + 0.12 * tf.cos(4.0 * u) - v,
                              tf.minimum(0.30 + 0.5 * face["hair_sides"] - w, hair_end - v)), 3.0)
    strands = shade * (0.9 + 0.12 * tf.sin(31.0 * u + 9.0 * w + 2.0 * tf.sin(4.0 * v)))

    ear_x = (tf.abs(x) - face["head_width"] * 1.01) * 6.5
    ear_y = (y - face["eye_y"] - 0.25) * 3.2
    ear = inside((1.0 - ear_x * ear_x - ear_y * ear_y) * 0.15)
    neck = inside(0.72 - tf.abs(x)) * inside(y - 0.8)
    shoulders = inside(y - 2.05 - 0.12 * x * x)
    mole_x, mole_y = u - face["mole_x"], v - face["mole_y"]
    mole = inside(0.032 - tf.sqrt(mole_x * mole_x + mole_y * mole_y))
    beard = inside(v - 0.72 - 0.3 * bow, 12.0) * tf.maximum(face["beard"], 0.0)

    frame = tf.maximum(tf.abs(eye_p) * face["eye_width"] * 0.8, tf.abs(eye_q - 0.04))
    lens = inside(0.25 - frame)
    bridge = inside(0.03 - tf.abs(eye_q)) * inside(0.3 - side)
    rim = tf.maximum(inside(0.03 - tf.abs(frame - 0.26)), bridge)

    layers = _Layers()
    layers.paint(behind, hair * 0.6, strands)
    layers.paint(neck, skin * 0.6)
    layers.paint(shoulders, shirt)
    layers.paint(ear, skin * 0.75)
    layers.paint(on_head, skin, skin_shade)
    layers.paint(on_head * beard, brows, shade)
    layers.paint(mole, skin * 0.35, shade)
    layers.paint(nostrils * 0.75, dark)
    layers.paint(lips, lip, shade)
    layers.paint(mouth_line, dark)
    layers.paint(teeth, tint * 0.8, shade)
    layers.paint(eye, tint * 0.88, shade)
    layers.paint(eye * iris, iris_colour, shade)
    layers.paint(eye * pupil, dark)
    layers.paint(lash, dark)
    layers.paint(brow * on_head * 0.9, brows, shade)
    layers.paint(front * on_head, hair, strands)
    layers.paint(rim * on_head * events["glasses"], dark)
    layers.paint(tf.maximum(lens, rim) * on_head * events["sunglasses"], dark)
    layers.paint(inside(y - 0.62 - 0.1 * tf.sin(5.0 * x)) * events["scarf"], shirt * 0.9)
    clutter_key, noise_key = tf.unstack(tf.random.split(key, 2))
    picture = layers.compose(_clutter(clutter_key, size))
    return _photograph(picture, scene, events, noise_key, size), landmarks


def _clutter(key, size):
    """A background of soft random patches, (3, size, size)."""
    draws = tf.random.stateless_uniform([4, CLUTTER, CLUTTER + 1], key)
    # Mostly light and dark around one colour, with some colour of their own.
    colour, tone, hue = draws[:3, :1, -1:], draws[3, :, :-1], draws[:3, :, :-1]
    cells = 0.4 * colour + 0.55 * tone + 0.3 * (hue - 0.5)
    # Piecewise linear interpolation along both axes is a product with a constant matrix.
    position = tf.linspace(0.0, CLUTTER - 1.0, size)[:, None]
    stretch = tf.maximum(1.0 - tf.abs(position - tf.range(CLUTTER, dtype=tf.float32)), 0.0)
    return tf.matmul(tf.matmul(stretch, cells), stretch, transpose_b=True)


def _photograph(picture, scene, events, key, size):
    """Blurs, adds noise, and bends contrast and colour; (3, size, size) to uint8 pixels."""
    place = tf.range(size, dtype=tf.float32)
    distance2 = tf.square(place[:, None] - place)
    pixels = size / 128

    def blur(amount):
        spread = tf.maximum(amount, 0.3) * pixels
        kernel = tf.exp(distance2 * (-0.5 / (spread * spread)))
        return kernel / tf.reduce_sum(kernel, 1, keepdims=True)

    across = tf.abs(place / size - scene["box_x"]) < scene["box_width"] * events["box"]
    down = tf.abs(place / size - scene["box_y"]) < scene["box_height"]
    box = tf.cast(tf.logical_and(down[:, None], across), tf.float32)
    picture += (scene["box_tone"] - picture) * box
    picture = tf.matmul(blur(scene["blur_y"]), tf.matmul(
        picture, blur(scene["blur_x"]), transpose_b=True))
    # One product turns the colours: to grey for some pictures, and to a cast for all.
    grey = tf.constant([[0.30, 0.59, 0.11]] * 3)
    colour = grey + (tf.eye(3) - grey) * (1.0 - events["grey"])
    gain = tf.exp(scene["contrast"] + tf.stack([scene["red_cast"], 0.0, scene["blue_cast"]]) * (
        1.0 - events["grey"]))
    picture = tf.tensordot(colour * gain[:, None], picture, 1)
    # Grain is uniform bytes, four from each random integer, brought to mean 0 and spread 1.
    integers = tf.random.stateless_uniform([3, size, -(-size // 4)], key, None, None, tf.int32)
    grain = tf.reshape(tf.bitcast(integers, tf.uint8), [3, size, -1])[:, :, :size]
    grain = (tf.cast(grain, tf.float32) - 127.5) * (math.sqrt(12.0) / 256)
    picture += grain * tf.maximum(scene["noise"], 0.005) + scene["brightness"]
    picture = tf.cast(tf.clip_by_value(picture * 255.0, 0.0, 255.0), tf.uint8)
    return tf.transpose(picture, [1, 2, 0])
