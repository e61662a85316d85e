"""Compares the corruptions that test_corruption.c wrote with those of PIL: pixelate to the byte; JPEG to a mean
difference of less than one level, since libjpeg's transform is one of whole numbers. Exit code 77: there is no PIL."""
import io
import sys

try:
    import numpy
    from PIL import Image
except ImportError:
    sys.exit(77)

QUALITIES = [80, 65, 58, 50, 40]
SIZES = [0.95, 0.9, 0.85, 0.75, 0.65]


def jpeg(image, severity):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITIES[severity])
    return Image.open(file)


def pixelate(image, severity):
    size = int(32 * SIZES[severity])
    return image.resize((size, size), Image.BOX).resize((32, 32), Image.BOX)


images = int(sys.argv[2])
data = numpy.fromfile(sys.argv[1], numpy.uint8).reshape(2, 5, images, 2, 3, 32, 32)
for kind, corrupt, allowed in (0, jpeg, 1.0), (1, pixelate, 0.0):
    for severity in range(5):
        pairs = data[kind, severity]
        expected = numpy.stack([
            numpy.asarray(corrupt(Image.fromarray(pair[0].transpose(1, 2, 0).copy()), severity)).transpose(2, 0, 1)
            for pair in pairs])
        difference = numpy.abs(expected.astype(int) - pairs[:, 1]).mean()
        if difference > allowed:
            sys.exit(f"{corrupt.__name__} {severity + 1}: a mean difference of {difference}, at most {allowed}")
