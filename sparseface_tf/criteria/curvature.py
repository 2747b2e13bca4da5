"""Roots of the losses' Hessians, of which Gauss–Newton matrices are made.

Let z be what a loss is computed from, linear in its arguments: logits, differences of features. With
H the Hessian of the loss in z and H = R Rᵀ, the Gauss–Newton matrix in the weights is Jᵀ R Rᵀ J, J
being the Jacobian dz/dw, and the entries of its diagonal are the squares of the derivatives of the
inner products of z with the columns of R. One derivative of ⟨z, R ε⟩, with random signs ε, squared,
has that diagonal as its expectation, whatever the number of columns.

- Softmax with probabilities p: H = diag(p) - p pᵀ, and R ε = √p ε - p ⟨√p, ε⟩.
- Verification, the same identity: ½ ‖u‖², u being the difference of the features: R ε = ε.
- Verification, different ones at the distance d < m: ½ (m - d)², the residual m - d taken as linear:
  R ε = u / d · ε, of one sign. Its exact Hessian has -(m - d) / d across u besides, which would make
  saliencies negative; as Gauss–Newton does, and the Levenberg–Marquardt approximation that LeCun
  et al. take, it is left out. Beyond the margin: 0.
- Squared error: R ε = √2 ε / √outputs, the mean over the outputs being the loss.
"""

import dataclasses

import keras
import tensorflow as tf

from sparseface_tf.supervision.verification import PairDistance, VerificationLoss
from sparseface_tf.uses import tensors_of


@dataclasses.dataclass(frozen=True)
class Root:
    """One loss of a compiled model.

    Attributes:
        output: name of the output that it is computed from.
        tensor: Keras tensor of what z is made of, (batch, n).
        weight: its weight in the total.
        loss: the loss.
    """

    output: str
    tensor: object
    weight: float
    loss: object

    @property
    def of_pairs(self):
        return isinstance(self.loss, VerificationLoss)

    def product(self, tensor, target, margin, signs):
        """⟨z, R ε⟩ summed over a batch, with R taken as a constant.

        Args:
            tensor: float tensor (batch, n), the values of `tensor`.
            target: tensor (batch,), as the loss takes it.
            margin: margin of the verification signal, a scalar; unused elsewhere.
            signs: function from a shape to a float32 tensor of that shape, ε.

        Returns:
            Scalar tensor, to be differentiated. An image has the weight `weight`, so that the
            squares, summed and divided by the number of images, are those of the mean loss.
        """
        tensor = tf.cast(tensor, tf.float32)
        if self.of_pairs:
            z, vector = _pairs(tensor, target, margin, signs)
            # The mean of pairs is one of half as many.
            scale = 2 * self.weight
        elif hasattr(self.loss, "logits"):
            z, scale = self.loss.logits(target, tensor), self.weight
            vector = _softmax(z, signs)
        elif isinstance(self.loss, _SOFTMAX):
            z, scale = tensor, self.weight
            vector = _softmax(z, signs)
        else:
            z, scale = tensor, 2 * self.weight / tensor.shape[-1]
            vector = signs(tf.shape(z))
        return tf.sqrt(float(scale)) * tf.reduce_sum(z * tf.stop_gradient(vector))


_SOFTMAX = (keras.losses.SparseCategoricalCrossentropy, keras.losses.CategoricalCrossentropy)


def loss_roots(model):
    """The losses that a model is compiled with.

    A loss of one's own is taken for a softmax if it has a method `logits(y_true, y_pred)`.

    Args:
        model: functional model compiled with losses by output name, as `supervision.signals`
            gives them, or with one loss for its one output.

    Returns:
        List of `Root`.

    Raises:
        ValueError: if the model is not compiled, or has a loss of another kind.
    """
    losses = getattr(model, "loss", None)
    if not model.compiled or losses is None:
        raise ValueError("this criterion needs the loss: compile the model as it is trained.")
    weights = model.get_compile_config().get("loss_weights")
    if isinstance(losses, dict):
        outputs = model.output
        if not isinstance(outputs, dict):
            outputs = dict(zip(model.output_names, model.outputs))
    else:
        if len(model.outputs) > 1:
            raise ValueError("this criterion needs the losses of several outputs by their names.")
        losses, weights, outputs = {"": losses}, {"": weights}, {"": model.outputs[0]}
    roots = []
    for name, loss in losses.items():
        weight = (weights or {}).get(name)
        loss = keras.losses.get(loss)
        tensor = outputs[name]
        if isinstance(loss, VerificationLoss):
            layer = model.get_layer(name)
            if not isinstance(layer, PairDistance):
                raise ValueError(f"output '{name}' has a verification loss but no PairDistance.")
            tensor, _ = tensors_of(model, layer)
        elif isinstance(loss, _SOFTMAX):
            if not loss.get_config()["from_logits"]:
                raise ValueError(f"the softmax of output '{name}' must be in its loss (from_logits).")
        elif not hasattr(loss, "logits") and not _squared_error(loss):
            kind = getattr(loss, "__name__", type(loss).__name__)
            raise ValueError(
                f"the curvature of the loss of output '{name}', {kind}, is not known: give "
                "it a method logits(y_true, y_pred), or choose another criterion."
            )
        roots.append(Root(name, tensor, 1.0 if weight is None else float(weight), loss))
    return roots


def _squared_error(loss):
    return loss is keras.losses.mean_squared_error or isinstance(
        loss, keras.losses.MeanSquaredError
    )


def _softmax(logits, signs):
    root = tf.sqrt(tf.nn.softmax(tf.stop_gradient(logits)))
    columns = root * signs(tf.shape(logits))
    return columns - root**2 * tf.reduce_sum(columns, axis=-1, keepdims=True)


def _pairs(features, identities, margin, signs):
    pairs = tf.reshape(features, (-1, 2, features.shape[-1]))
    z = pairs[:, 0] - pairs[:, 1]
    identities = tf.reshape(identities, (-1, 2))
    same = (identities[:, 0] == identities[:, 1])[:, None]
    u = tf.stop_gradient(z)
    distance = tf.sqrt(tf.maximum(tf.reduce_sum(u**2, axis=-1, keepdims=True), 1e-12))
    noise = signs(tf.shape(z))
    along = tf.where(distance < margin, u / distance, 0.0) * noise[:, :1]
    return z, tf.where(same, noise, along)
