#!/usr/bin/env python3
"""What other programs make of a session's checkpoint, for test_interchange.c, which writes the sessions.

  check_session.py read FOLDER...    the files by the rules of safetensors, with Python alone
  check_session.py torch FOLDER...   docs/load_session.py's network beside nfbench's logits (expected.safetensors: images,
                                    raw, averaged), also in the peer where it knows the network; python.safetensors is
                                    then the network as PyTorch saves it

Exit code 77: torch or safetensors is not there.
"""
import json
import os
import pathlib
import struct
import sys

sys.dont_write_bytecode = True
TOLERANCE = 1e-4


def read(path):
    """The tensors of a file: name -> (shape, floats). Nothing but what the format allows may be in it."""
    data = pathlib.Path(path).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    assert length % 8 == 0 and data[8:9] == b"{", f"{path}: header"
    header, tensors, at = json.loads(data[8:8 + length]), {}, 0
    metadata = header.pop("__metadata__", {})
    assert all(isinstance(value, str) for value in metadata.values()), f"{path}: metadata must be texts"
    for name, tensor in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = tensor["data_offsets"]
        count = 1
        for size in tensor["shape"]:
            count *= size
        assert tensor["dtype"] == "F32" and begin == at and end == at + 4 * count, f"{path}: {name}"
        tensors[name] = tensor["shape"], struct.unpack(f"<{count}f", data[8 + length + begin:8 + length + end])
        at = end
    assert 8 + length + at == len(data), f"{path}: its length"
    return tensors


def checkpoint(folder):
    return next(pathlib.Path(folder, "checkpoints").glob("*.safetensors"))


def check_plain(folder):
    tensors = read(checkpoint(folder))
    values = {name for name in tensors if not name.startswith(("ema.", "momentum.", "slow."))}
    whitened = "stem-kind = whitened" in pathlib.Path(folder, "settings.ini").read_text()  # its weights are frozen
    trained = {name for name in values if "running_" not in name and not (whitened and name == "stem.weight")}
    assert {"stem.weight", "stem.bias", "blocks.0.conv0.weight", "head.weight", "head.bias"} <= values
    for prefix in "ema.", "momentum.":
        assert {name for name in tensors if name.startswith(prefix)} == {prefix + name for name in trained}
    print(f"{os.path.basename(folder)}: {len(values)} tensors")


def relative_error(ours, theirs):
    return float((ours - theirs).norm() / theirs.norm())


def check_torch(folder, peer):
    import torch
    from load_session import load_session
    from safetensors.torch import load_file, save_file
    expected, name = load_file(os.path.join(folder, "expected.safetensors")), os.path.basename(folder)
    images = expected["images"].to(torch.uint8)
    for averaged, weights in (True, "averaged"), (False, "raw"):
        net, prepare = load_session(folder, averaged=averaged)
        with torch.no_grad():
            logits = {"load_session.py": net(prepare(images))}
            if peer and name in peer.PRESETS:
                same = peer.NFNet(**peer.PRESETS[name])
                same.load_state_dict(net.state_dict())
                logits["the peer"] = same(prepare(images))
        for who, ours in logits.items():
            error = relative_error(ours, expected[weights])
            assert error < TOLERANCE, f"{name}: the {weights} weights' logits in {who} differ by {error:.1e}"
            print(f"{name}, {weights} weights, {who}: relative error {error:.1e}")
    assert relative_error(expected["raw"], expected["averaged"]) > 10 * TOLERANCE, f"{name}: averaged is raw"
    save_file({k: v.contiguous() for k, v in net.state_dict().items()}, os.path.join(folder, "python.safetensors"))


def main():
    mode, folders = sys.argv[1], sys.argv[2:]
    if mode == "read":
        for folder in folders:
            check_plain(folder)
        return
    sys.path.insert(0, "docs")
    sys.path.insert(0, os.path.join(os.environ.get("SHARED", "../shared"), "peer"))
    for module in "torch", "safetensors":
        try:
            __import__(module)
        except ImportError:
            print(f"there is no {module} here")
            sys.exit(77)
    try:
        import torch_nfnet as peer
    except ImportError:
        peer = None
    for folder in folders:
        check_torch(folder, peer)


main()
