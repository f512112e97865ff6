"""Write the sample archives with Keras itself, weights left out: ``KERAS_BACKEND=jax python generate.py``.

Needs Keras 3 and a backend; prints name, all parameters and trainable parameters, which the tests hold.
"""

from __future__ import annotations

import math
import tempfile
import zipfile
from pathlib import Path

import keras
from keras import layers, ops

HERE = Path(__file__).parent
MEMBERS = ("metadata.json", "config.json")


def cnn() -> keras.Model:
    """Most layers of a convolutional network."""
    image = keras.Input((32, 32, 3), name="image")
    x = layers.Rescaling(1 / 255.0)(image)
    x = layers.Normalization(mean=0.5, variance=1.0)(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.Conv2D(16, 3, strides=2, name="stem_conv", use_bias=False)(x)
    x = layers.ReLU(max_value=6, name="stem_relu")(layers.BatchNormalization(name="stem_bn")(x))
    y = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="swish")(x)
    x = layers.Add()([x, layers.Conv2D(16, 1)(y)])
    x = layers.MaxPooling2D(2)(x)
    x = layers.SeparableConv2D(24, 3, padding="same", activation="relu")(x)
    x = layers.UpSampling2D(2, interpolation="bilinear")(layers.LayerNormalization()(x))
    x = layers.Conv2DTranspose(8, 3, strides=2, padding="same")(layers.Cropping2D(1)(x))
    x = layers.Conv2D(8, 3, groups=2, dilation_rate=2)(x)
    averaged = layers.GlobalAveragePooling2D()(layers.AveragePooling2D(2, padding="same")(x))
    x = layers.Dropout(0.5)(layers.Concatenate()([averaged, layers.GlobalMaxPooling2D()(x)]))
    return keras.Model(image, layers.Dense(10, activation="softmax")(x), name="cnn")


def lenet() -> keras.Model:
    """A Sequential model."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10),
        ],
        name="lenet",
    )


def recurrent() -> keras.Model:
    """Embedding, causal convolution, bidirectional LSTM, GRU."""
    tokens = keras.Input((20,), dtype="int32", name="tokens")
    x = layers.Conv1D(32, 5, padding="causal")(layers.Embedding(100, 16)(tokens))
    x = layers.MaxPooling1D(2)(layers.Activation("gelu")(x))
    x = layers.Bidirectional(layers.LSTM(8, return_sequences=True))(x)
    return keras.Model(tokens, layers.Dense(4)(layers.GRU(12)(x)), name="recurrent")


def attention() -> keras.Model:
    """A transformer block and operations outside layers."""
    sequence = keras.Input((16, 32), name="x")
    x = layers.LayerNormalization(epsilon=1e-6)(sequence + layers.MultiHeadAttention(4, 8, name="mha")(sequence, sequence))
    x = layers.Add()([x, layers.Dense(32)(layers.Dense(64, activation="gelu")(x))])
    x = layers.EinsumDense("abc,cd->abd", output_shape=(None, 24), bias_axes="d")(x)
    x = ops.mean(ops.reshape(layers.GlobalAveragePooling1D()(x) * 0.5, (-1, 4, 6)), axis=1)
    x = layers.Flatten()(layers.Permute((2, 1))(layers.Reshape((3, 2))(x)))
    return keras.Model(sequence, x, name="attention")


def siamese() -> keras.Model:
    """A model within a model, called twice."""
    tower = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="c"), layers.BatchNormalization(name="b")], name="tower"
    )
    pool, head = layers.GlobalAveragePooling2D(), layers.Dense(5, name="head")
    pair = [keras.Input((8, 8, 3), name="left"), keras.Input((8, 8, 3), name="right")]
    return keras.Model(pair, layers.Subtract()([head(pool(tower(side))) for side in pair]), name="siamese")


def video() -> keras.Model:
    """Layers over time and over three axes."""
    frames = keras.Input((5, 12, 12, 3))
    x = layers.Conv3D(6, 3)(layers.TimeDistributed(layers.Conv2D(4, 3))(frames))
    return keras.Model(frames, layers.RepeatVector(3)(layers.Flatten()(x)), name="video")


def write(name: str, model: keras.Model) -> None:
    """Save a model and keep only what describes it."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / f"{name}.keras"
        model.save(saved)
        with zipfile.ZipFile(saved) as source, zipfile.ZipFile(HERE / f"{name}.keras", "w") as target:
            for member in MEMBERS:
                entry = zipfile.ZipInfo(member, (2026, 1, 1, 0, 0, 0))
                target.writestr(entry, source.read(member), zipfile.ZIP_DEFLATED)
    trained = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    print(name, model.count_params(), trained)


if __name__ == "__main__":
    for name, model in {
        "cnn": cnn(),
        "sequential": lenet(),
        "recurrent": recurrent(),
        "attention": attention(),
        "nested": siamese(),
        "video": video(),
        "mobilenet_v3_small": keras.applications.MobileNetV3Small(weights=None, input_shape=(224, 224, 3)),
        "convnext_tiny": keras.applications.ConvNeXtTiny(weights=None),
    }.items():
        write(name, model)
