"""Random changes of whole batches of faces, on the device that trains."""

import jax
from jax import numpy as jnp

TURN = 0.21  # greatest turn to either side, in radians
ZOOM = 0.2  # greatest enlargement or reduction
STRETCH = 0.1  # the same of the width alone, as of a face that is half turned
SHEAR = 0.1
SLANT = 0.12  # perspective: how much nearer one edge may be than the other
SHIFT = 0.1  # as a share of the side
BRIGHTNESS, CONTRAST = 0.15, 0.45
BLUR = 1.2  # greatest deviation, in pixels
NOISE = 12.0  # greatest deviation, in grey levels
ERASED = 0.4  # share of images of which a rectangle is covered


def augment(key, images, strength):
    """One random variant of each image.

    Args:
        key: a JAX random key.
        images: uint8, (n, side, side), 0–255 grey.
        strength: 0–1, a factor on every amount.

    Returns:
        float32, (n, side, side, 1), whole grey levels 0–255.
    """
    keys = iter(jax.random.split(key, 20))
    count, side = images.shape[:2]

    def amount(greatest):
        return jax.random.uniform(next(keys), (count, 1, 1), minval=-1) * greatest * strength

    def chance(share):
        return jax.random.uniform(next(keys), (count, 1, 1)) < share

    values = _warped(images.astype(jnp.float32), amount, chance)
    values = (values - 127.5) * (1 + amount(CONTRAST)) + 127.5 + 255 * amount(BRIGHTNESS)
    values = _blurred(jnp.clip(values, 0, 255), chance(0.5) * jnp.abs(amount(BLUR)))
    grain = jax.random.normal(next(keys), values.shape) * jnp.abs(amount(NOISE))
    values = values + chance(0.5) * grain
    place = jnp.arange(side)
    span = side * jax.random.uniform(next(keys), (count, 2, 1), minval=0.125, maxval=0.4)
    start = (side - span) * jax.random.uniform(next(keys), (count, 2, 1))
    inside = (place >= start) & (place < start + span)
    covered = inside[:, 0, :, None] & inside[:, 1, None, :] & chance(ERASED * strength)
    grey = jax.random.uniform(next(keys), (count, 1, 1), maxval=255)
    values = jnp.where(covered, grey, values)
    return jnp.rint(jnp.clip(values, 0, 255))[..., None]


def _warped(images, amount, chance):
    """Turned, scaled, slanted and moved by one map, the edge repeated beyond the border."""
    count, side, _ = images.shape
    down, across = jnp.meshgrid(*[jnp.linspace(-1, 1, side)] * 2, indexing="ij")
    depth = 1 + amount(SLANT) * across + amount(SLANT) * down
    scale, angle = 1 + amount(ZOOM), amount(TURN)
    mirror = jnp.where(chance(0.5), -1.0, 1.0)
    x = mirror * across * (1 + amount(STRETCH)) + amount(SHEAR) * down
    x, y = (
        (jnp.cos(angle) * x - jnp.sin(angle) * down) / depth / scale + 2 * amount(SHIFT),
        (jnp.sin(angle) * x + jnp.cos(angle) * down) / depth / scale + 2 * amount(SHIFT),
    )
    x, y = ((jnp.clip(one, -1, 1) + 1) * (side - 1) / 2 for one in (x, y))
    left, top = (jnp.clip(jnp.floor(one), 0, side - 2) for one in (x, y))
    right_share, low_share = x - left, y - top
    corner = (top * side + left).astype(jnp.int32).reshape(count, -1)
    flat = images.reshape(count, -1)

    def pixels(offset):
        return jnp.take_along_axis(flat, corner + offset, axis=1).reshape(images.shape)

    upper = pixels(0) * (1 - right_share) + pixels(1) * right_share
    lower = pixels(side) * (1 - right_share) + pixels(side + 1) * right_share
    return upper * (1 - low_share) + lower * low_share


def _blurred(images, deviation):
    """Gaussian blur of each image by a deviation of its own, (n, 1, 1), in pixels; 0 is none."""
    reach = 2
    offsets = range(-reach, reach + 1)
    weights = [jnp.exp(-0.5 * (one / jnp.maximum(deviation, 1e-3)) ** 2) for one in offsets]
    total = sum(weights)
    for axis in (1, 2):
        side = images.shape[axis]
        pads = [(reach, reach) if one == axis else (0, 0) for one in range(3)]
        padded = jnp.pad(images, pads, mode="edge")
        images = sum(
            weight / total * jax.lax.slice_in_dim(padded, start, start + side, axis=axis)
            for start, weight in enumerate(weights)
        )
    return images
