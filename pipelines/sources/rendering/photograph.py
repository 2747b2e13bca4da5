"""What a camera makes of a scene: blur, grain, contrast and colour."""

import math

import tensorflow as tf


def photograph(picture, scene, events, key, size):
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
