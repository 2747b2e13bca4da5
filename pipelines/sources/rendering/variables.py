"""What a rendered face and its picture are drawn from, as random variables."""

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
