#!/usr/bin/env python3
"""What TensorBoard's own reader finds in a folder of runs, as JSON by run: read_events.py LOGDIR. Exit code 77: there is no
TensorBoard here."""
import json
import sys

sys.dont_write_bytecode = True
try:
    from tensorboard.backend.event_processing import event_multiplexer
except ImportError:
    print("there is no tensorboard here")
    sys.exit(77)

KINDS = ("scalars", "histograms", "images", "tensors", "compressedHistograms", "audio")
runs = event_multiplexer.EventMultiplexer(size_guidance=dict.fromkeys(KINDS, 0))
runs.AddRunsFromDirectory(sys.argv[1])
runs.Reload()
found = {}
for run in runs.Runs():
    tags = runs.GetAccumulator(run).Tags()
    found[run] = {
        "scalars": {tag: [[e.step, e.value] for e in runs.Scalars(run, tag)] for tag in tags["scalars"]},
        "histograms": {tag: [[e.step, e.histogram_value.num, sum(e.histogram_value.bucket)]
                             for e in runs.Histograms(run, tag)] for tag in tags["histograms"]},
        "images": {tag: [[e.step, e.width, e.height, e.encoded_image_string[:4].decode("latin-1")]
                         for e in runs.GetAccumulator(run).Images(tag)] for tag in tags["images"]},
        "texts": {tag: [[e.step, e.tensor_proto.string_val[0].decode()] for e in runs.Tensors(run, tag)]
                  for tag in tags["tensors"]},
    }
print(json.dumps(found))
