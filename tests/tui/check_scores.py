"""Works out with NumPy, from the probabilities that `nfbench predict` wrote, what `nfbench test` says of the same images:
check_scores.py PROBABILITIES.npy RECORDS.bin TEST.json. Exit code 77: there is no NumPy."""
import json
import sys

try:
    import numpy
except ImportError:
    sys.exit(77)

BINS = 15

with open(sys.argv[3], encoding="utf-8") as file:
    test = json.load(file)
images = test["images"]
probabilities = numpy.load(sys.argv[1])[:images].astype(float)
labels = numpy.fromfile(sys.argv[2], numpy.uint8).reshape(-1, 3073)[:images, 0].astype(int)
predicted, confidence = probabilities.argmax(1), probabilities.max(1)
right = predicted == labels


def check(name, found, expected):
    if (found is None) != (expected is None) or (found is not None and abs(found - expected) > 1e-5):
        sys.exit(f"{name}: {found}, expected {expected}")


def share(part, whole):
    return part / whole if whole else None


error = 0
for low in numpy.arange(BINS) / BINS:
    inside = (confidence > low) & (confidence <= low + 1 / BINS)
    if inside.any():
        error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
check("ece", test["ece"], error)
check("accuracy", test["accuracy"], right.mean())
check("confidence", test["confidence"], confidence.mean())
check("loss", test["loss"], -numpy.log(probabilities[numpy.arange(images), labels]).mean())
for index, scores in enumerate(test["classes"]):
    hits = int((right & (labels == index)).sum())
    precision, recall = share(hits, int((predicted == index).sum())), share(hits, int((labels == index).sum()))
    check(f"precision of class {index}", scores["precision"], precision)
    check(f"recall of class {index}", scores["recall"], recall)
    if precision and recall:
        check(f"F1 of class {index}", scores["f1"], 2 * precision * recall / (precision + recall))
