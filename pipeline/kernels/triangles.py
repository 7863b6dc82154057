"""Triangles in space, seen by a camera: which is nearest at a sample, how it is lit, and what lies before a point.

Vertices are in camera coordinates: x to the right, y down, z forward. Their places are `(V, 3)` float64: x and y in
pixels, a pixel's centre at whole numbers, and 1 / z, which is linear over a triangle's picture; 0 where a vertex is not
before the camera. A triangle with such a vertex is left out, and so is one that turns its back: seen from its front,
its corners run counter-clockwise.
"""

import numpy as np
from numpy.typing import NDArray

from common_fate.compiled import njit

_RIM = -1e-9  # a weight from here up is inside: samples on an edge that two triangles share are missed by neither
_NEARER = 1 + 1e-6  # what is nearer by less than this share is the same surface
_NEAR = 1e-3  # nothing is drawn that is nearer to the camera's plane


@njit(cache=True)
def moved(
    vertices: NDArray[np.float64], parts: NDArray[np.int32], turns: NDArray[np.float64], shifts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Moves each vertex with its part: `turns[part] @ vertex + shifts[part]`, `(V, 3)`."""
    made = np.empty_like(vertices)
    for v in range(len(vertices)):
        turn, shift = turns[parts[v]], shifts[parts[v]]
        x, y, z = vertices[v]
        for k in range(3):
            made[v, k] = turn[k, 0] * x + turn[k, 1] * y + turn[k, 2] * z + shift[k]
    return made


@njit(cache=True)
def projected(points: NDArray[np.float64], focal: float, centre: float) -> NDArray[np.float64]:
    """Returns the places `(V, 3)` of points in camera coordinates, `focal` and `centre` in pixels."""
    places = np.zeros_like(points)
    for v in range(len(points)):
        x, y, z = points[v]
        if z > _NEAR:
            places[v, 0], places[v, 1], places[v, 2] = focal * x / z + centre, focal * y / z + centre, 1 / z
    return places


@njit(cache=True, inline="always")
def _plane(places: NDArray[np.float64], face: NDArray[np.int32], scale: float) -> tuple[float, ...]:
    """The weights of the first two corners as functions of place: offset, by x and by y of each; 0 where it is unseen.

    The weights are those of the picture, in samples: `scale` of them in a pixel's side.
    """
    middle = (scale - 1) / 2
    x0, y0 = scale * places[face[0], 0] + middle, scale * places[face[0], 1] + middle
    x1, y1 = scale * places[face[1], 0] + middle, scale * places[face[1], 1] + middle
    x2, y2 = scale * places[face[2], 0] + middle, scale * places[face[2], 1] + middle
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    if area > -1e-12 or places[face[0], 2] <= 0 or places[face[1], 2] <= 0 or places[face[2], 2] <= 0:
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    a_x, a_y = (y1 - y2) / area, (x2 - x1) / area
    b_x, b_y = (y2 - y0) / area, (x0 - x2) / area
    a, b = -a_x * x2 - a_y * y2, -b_x * x2 - b_y * y2
    return a, a_x, a_y, b, b_x, b_y, min(x0, x1, x2), max(x0, x1, x2), min(y0, y1, y2), max(y0, y1, y2)


@njit(cache=True)
def nearest_faces(
    places: NDArray[np.float64], faces: NDArray[np.int32], height: int, width: int, scale: int
) -> NDArray[np.int32]:
    """Finds the triangle that is seen at each sample; -1 where there is none.

    Args:
        places: `(V, 3)`.
        faces: `(F, 3)`, rows of `places`.
        height, width: of the image, pixels.
        scale: samples along a pixel's side; with 1 they are the pixels' centres.

    Returns:
        `(scale * height, scale * width)`, rows of `faces`. Of two that are equally near it is the first.
    """
    seen = np.full((scale * height, scale * width), -1, np.int32)
    depth = np.zeros((scale * height, scale * width), np.float64)  # 1 / z
    for f in range(len(faces)):
        face = faces[f]
        a, a_x, a_y, b, b_x, b_y, left, right, top, bottom = _plane(places, face, scale)
        if a_x == 0 and a_y == 0:
            continue
        near0, near1, near2 = places[face[0], 2], places[face[1], 2], places[face[2], 2]
        # First as floats: what lies far outside does not fit an integer.
        first_x, last_x = int(np.ceil(max(left, 0.0))), int(np.floor(min(right, scale * width - 1.0)))
        first_y, last_y = int(np.ceil(max(top, 0.0))), int(np.floor(min(bottom, scale * height - 1.0)))
        for y in range(first_y, last_y + 1):
            for x in range(first_x, last_x + 1):
                w0, w1 = a + a_x * x + a_y * y, b + b_x * x + b_y * y
                w2 = 1 - w0 - w1
                if w0 >= _RIM and w1 >= _RIM and w2 >= _RIM:
                    near = w0 * near0 + w1 * near1 + w2 * near2
                    if near > depth[y, x]:
                        depth[y, x], seen[y, x] = near, f
    return seen


@njit(cache=True, inline="always")
def _weights(
    places: NDArray[np.float64], face: NDArray[np.int32], plane: tuple[float, ...], x: float, y: float
) -> tuple[float, float, float, float]:
    """The barycentric weights, on the triangle in space, of what is seen of it at (x, y) pixels; and 1 / z."""
    a, a_x, a_y, b, b_x, b_y, _, _, _, _ = plane
    w0, w1 = a + a_x * x + a_y * y, b + b_x * x + b_y * y
    w0, w1, w2 = w0 * places[face[0], 2], w1 * places[face[1], 2], (1 - w0 - w1) * places[face[2], 2]
    near = w0 + w1 + w2
    return w0 / near, w1 / near, w2 / near, near


@njit(cache=True)
def shaded(
    seen: NDArray[np.int32],
    places: NDArray[np.float64],
    normals: NDArray[np.float64],
    faces: NDArray[np.int32],
    colours: NDArray[np.float32],
    gloss: NDArray[np.float32],
    coords: NDArray[np.float64],
    texture: NDArray[np.uint8],
    backdrop: NDArray[np.uint8],
    light: NDArray[np.float64],
    ambient: float,
    focal: float,
) -> NDArray[np.uint8]:
    """Draws what is seen: diffuse and glossy light from afar (Blinn-Phong), averaged over the samples of a pixel.

    Args:
        seen: as `nearest_faces` gives it.
        places, normals: `(V, 3)`; normals in camera coordinates, interpolated over a triangle.
        faces: `(F, 3)`.
        colours, gloss: `(F, 3)` grey levels of 255, and `(F,)` the share of light that is mirrored.
        coords: `(V, 2)`, column and row in `texture`, whose texels multiply the colour; -1 where there is none.
        texture: `(h, w, 3)`, sampled bilinearly.
        backdrop: `(H, W, 3)`, what is seen where no triangle is.
        light: `(3,)` towards the light, of length 1, in camera coordinates.
        ambient: the share of the light that comes from everywhere.
        focal: pixels.

    Returns:
        `(H, W, 3)`.
    """
    height, width, _ = backdrop.shape
    scale = len(seen) // height
    image = np.empty((height, width, 3), np.uint8)
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    last, plane = -1, _plane(places, faces[0], 1.0)  # neighbouring samples are mostly of one triangle
    for i in range(height):
        for j in range(width):
            red, green, blue = 0.0, 0.0, 0.0
            for k in range(scale * scale):
                row, column = scale * i + k // scale, scale * j + k % scale
                f = seen[row, column]
                if f < 0:
                    red, green, blue = red + backdrop[i, j, 0], green + backdrop[i, j, 1], blue + backdrop[i, j, 2]
                    continue
                x, y = (column + 0.5) / scale - 0.5, (row + 0.5) / scale - 0.5
                p, q, r = faces[f]
                if f != last:
                    last, plane = f, _plane(places, faces[f], 1.0)
                w0, w1, w2, _ = _weights(places, faces[f], plane, x, y)
                n_x = w0 * normals[p, 0] + w1 * normals[q, 0] + w2 * normals[r, 0]
                n_y = w0 * normals[p, 1] + w1 * normals[q, 1] + w2 * normals[r, 1]
                n_z = w0 * normals[p, 2] + w1 * normals[q, 2] + w2 * normals[r, 2]
                length = np.sqrt(n_x * n_x + n_y * n_y + n_z * n_z) + 1e-12
                facing = (n_x * light[0] + n_y * light[1] + n_z * light[2]) / length
                lit = ambient + (1 - ambient) * max(facing, 0.0)
                shine = 0.0
                if gloss[f] > 0 and facing > 0:
                    e_x, e_y = (middle_x - x) / focal, (middle_y - y) / focal  # towards the eye
                    eye = np.sqrt(e_x * e_x + e_y * e_y + 1)
                    h_x, h_y, h_z = light[0] + e_x / eye, light[1] + e_y / eye, light[2] - 1 / eye
                    half = np.sqrt(h_x * h_x + h_y * h_y + h_z * h_z) + 1e-12
                    mirrored = max((n_x * h_x + n_y * h_y + n_z * h_z) / (length * half), 0.0)
                    shine = 255 * gloss[f] * mirrored**32
                t0, t1, t2 = 1.0, 1.0, 1.0
                if coords[p, 0] >= 0:
                    u = w0 * coords[p, 0] + w1 * coords[q, 0] + w2 * coords[r, 0]
                    v = w0 * coords[p, 1] + w1 * coords[q, 1] + w2 * coords[r, 1]
                    t0, t1, t2 = _texel(texture, u, v)
                red += min(colours[f, 0] * t0 * lit + shine, 255.0)
                green += min(colours[f, 1] * t1 * lit + shine, 255.0)
                blue += min(colours[f, 2] * t2 * lit + shine, 255.0)
            count = scale * scale
            image[i, j, 0], image[i, j, 1] = np.rint(red / count), np.rint(green / count)
            image[i, j, 2] = np.rint(blue / count)
    return image


@njit(cache=True, inline="always")
def _texel(texture: NDArray[np.uint8], u: float, v: float) -> tuple[float, float, float]:
    """The texture at column u and row v, as shares of 255."""
    rows, columns, _ = texture.shape
    u, v = min(max(u, 0.0), columns - 1.0), min(max(v, 0.0), rows - 1.0)
    i, j = min(int(v), rows - 2), min(int(u), columns - 2)
    a, b = v - i, u - j
    w00, w01, w10, w11 = (1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b
    t, s = texture[i], texture[i + 1]
    return (
        (w00 * t[j, 0] + w01 * t[j + 1, 0] + w10 * s[j, 0] + w11 * s[j + 1, 0]) / 255,
        (w00 * t[j, 1] + w01 * t[j + 1, 1] + w10 * s[j, 1] + w11 * s[j + 1, 1]) / 255,
        (w00 * t[j, 2] + w01 * t[j + 1, 2] + w10 * s[j, 2] + w11 * s[j + 1, 2]) / 255,
    )


@njit(cache=True)
def material_motion(
    seen: NDArray[np.int32],
    places: NDArray[np.float64],
    faces: NDArray[np.int32],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    focal: float,
    centre: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Computes how the very point of the surface that is seen at each pixel's centre moves to another frame.

    Args:
        seen: `(H, W)`, as `nearest_faces` gives it with `scale` 1.
        places: `(V, 3)` in the first frame.
        faces: `(F, 3)`.
        first, second: `(V, 3)`, the vertices in camera coordinates in both frames.
        focal, centre: pixels.

    Returns:
        Flow `(2, H, W)` in pixels, 0 where no triangle is seen and exactly 0 where the vertices stay; and `(H, W)` the
        point's 1 / z in the second frame: 0 where no triangle is seen, and negative, beside a flow of 0, where the
        point is not before the camera any more.
    """
    height, width = seen.shape
    flow = np.zeros((2, height, width), np.float64)
    near = np.zeros((height, width), np.float64)
    points = np.empty((2, 3), np.float64)
    for i in range(height):
        for j in range(width):
            f = seen[i, j]
            if f < 0:
                continue
            p, q, r = faces[f]
            w0, w1, w2, _ = _weights(places, faces[f], _plane(places, faces[f], 1.0), float(j), float(i))
            for k in range(3):
                points[0, k] = w0 * first[p, k] + w1 * first[q, k] + w2 * first[r, k]
                points[1, k] = w0 * second[p, k] + w1 * second[q, k] + w2 * second[r, k]
            if points[1, 2] <= _NEAR:
                near[i, j] = -1
                continue
            near[i, j] = 1 / points[1, 2]
            # The difference of both projections, not from the pixel: what stands still has a flow of exactly zero.
            for k in range(2):
                flow[k, i, j] = focal * points[1, k] / points[1, 2] - focal * points[0, k] / points[0, 2]
    return flow, near


@njit(cache=True)
def covered(
    points: NDArray[np.float64],
    own: NDArray[np.int32],
    places: NDArray[np.float64],
    faces: NDArray[np.int32],
    labels: NDArray[np.int32],
    height: int,
    width: int,
) -> NDArray[np.bool_]:
    """Finds the points that a triangle hides, exactly: no depth is read from a raster.

    Args:
        points: `(N, 3)`, places as those of vertices; 1 / z is 0 at infinity.
        own: `(N, K)`, labels of triangles that do not hide a point.
        places: `(V, 3)`.
        faces: `(F, 3)`.
        labels: `(F,)`.
        height, width: of the image, pixels.

    Returns:
        `(N,)`. Points outside the image, whose border is half a pixel around the outermost centres, are not covered.
    """
    # The points of each pixel as a chain: a triangle looks at those of the pixels that it touches.
    head = np.full((height, width), -1, np.int64)
    after = np.full(len(points), -1, np.int64)
    for n in range(len(points)):
        x, y = points[n, 0], points[n, 1]
        if -0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5:
            i, j = min(int(y + 0.5), height - 1), min(int(x + 0.5), width - 1)
            after[n], head[i, j] = head[i, j], n
    hidden = np.zeros(len(points), np.bool_)
    for f in range(len(faces)):
        face = faces[f]
        a, a_x, a_y, b, b_x, b_y, left, right, top, bottom = _plane(places, face, 1.0)
        if a_x == 0 and a_y == 0:
            continue
        near0, near1, near2 = places[face[0], 2], places[face[1], 2], places[face[2], 2]
        first_x, last_x = int(max(left + 0.5, 0.0)), int(np.floor(min(right + 0.5, width - 1.0)))
        first_y, last_y = int(max(top + 0.5, 0.0)), int(np.floor(min(bottom + 0.5, height - 1.0)))
        for i in range(first_y, last_y + 1):
            for j in range(first_x, last_x + 1):
                n = head[i, j]
                while n >= 0:
                    x, y = points[n, 0], points[n, 1]
                    w0, w1 = a + a_x * x + a_y * y, b + b_x * x + b_y * y
                    w2 = 1 - w0 - w1
                    if not hidden[n] and w0 >= _RIM and w1 >= _RIM and w2 >= _RIM:
                        near = w0 * near0 + w1 * near1 + w2 * near2
                        if near > _NEARER * points[n, 2]:
                            mine = False
                            for k in range(own.shape[1]):
                                mine |= own[n, k] == labels[f]
                            hidden[n] = not mine
                    n = after[n]
    return hidden
