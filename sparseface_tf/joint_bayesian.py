"""`matching.joint_bayesian` under the path that others rely on."""

from sparseface_tf.matching.joint_bayesian import JointBayesian

__all__ = ["JointBayesian"]
