#!/usr/bin/env python3
"""PyTorch's numbers for tests/peer/test_peer.c: what the same network gives there for the same weights and images.

  peer.py --peer DIR golden tests/peer/golden   the committed files: small networks in full, the presets by their
                                                logits and by random projections of each gradient
  peer.py --peer DIR live build/peer            report, micro and large in full, where PyTorch is installed

DIR holds torch_nfnet.py (default: $NFBENCH_PEER, else ../shared/peer). Everything is computed in double precision, so
that the whole difference to nfbench's fp32 is nfbench's own. Weights and images are drawn by Philox, keyed by the
tensor's name, in a way that test_peer.c repeats: the golden files of the presets hold only the biases. These are then
shifted a little, so that no input of a ReLU lies so near zero that rounding decides its sign: one flipped sign moves a
gradient by more than 1e-3, in PyTorch's own fp32 as well.

CASE.weights.safetensors   parameters under the peer's names; nfbench import reads such a file
CASE.expected.safetensors  metadata `settings`: nfbench's options of this network, `images`: their number; tensors:
                           logits, loss, predicted (variance per block), signal (see measure_signal), for every
                           parameter gradient.NAME or projection.NAME (its norm, then its products with PROJECTIONS
                           vectors of random signs), and in some updated.NAME (after three optimizer steps) and
                           NAME.bias (where no weights file is)
"""
import argparse
import json
import os
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

sys.dont_write_bytecode = True

PROJECTIONS = 8
SEED = 0x6E666265

# name: (settings for nfbench, arguments for the peer, images, label smoothing as in the settings). nfbench goes through a
# batch 16 images at a time: 19 and 37 leave a remainder, the presets a first part that is not full.
SMALL = {
    "papers-small": (
        "--preset micro --stem 8 --stages 16/8x2,32/16x1/2 --label-smoothing 0.1",
        dict(stem=8, stages=[(16, 8, 2, 1), (32, 16, 1, 2)]), 19, 0.1),
    "report-small": (
        "--preset report --stem 8 --stages 16/8x2,32/8x2/2",
        dict(stem=8, stages=[(16, 8, 2, 1), (32, 8, 2, 2)], report=True), 37, 0.0),
}
PRESETS = {"report": 6, "micro": 7, "large": 4}  # name: images


def philox(count, tensor, stream):
    """`count` words of Philox4x32-10 with counter (i / 4, 0, tensor, stream) and key (SEED, 0)."""
    c = [np.arange((count + 3) // 4, dtype=np.uint64)] + [np.uint64(v) for v in (0, tensor, stream)]
    c = [np.broadcast_to(v, c[0].shape) for v in c]
    key0, key1, mask, half = SEED, 0, np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> half) ^ c[1] ^ np.uint64(key0), p1 & mask, (p0 >> half) ^ c[3] ^ np.uint64(key1), p0 & mask]
        key0, key1 = (key0 + 0x9E3779B9) & 0xFFFFFFFF, (key1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, axis=1).reshape(-1)[:count].astype(np.uint32)


def name_hash(name):
    """FNV-1a, 32 bits."""
    h = 0x811C9DC5
    for byte in name.encode():
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    return h


def draw(name, shape):
    """Values of the tensor of that name: uniform about a centre; gains not 1, biases and skip gains not 0."""
    count = int(np.prod(shape, dtype=np.int64))
    centre, spread = 0.0, 0.2
    if name == "input":
        spread = 3.0 ** 0.5
    elif name.endswith(".gain"):
        centre, spread = 1.0, 0.3
    elif name.endswith(".skip_gain"):
        centre, spread = 0.75, 0.25
    elif len(shape) == 4:
        spread = (6.0 / np.prod(shape[1:])) ** 0.5
    uniform = (philox(count, name_hash(name), 0) >> np.uint32(8)).astype(np.float64) / 2.0 ** 24
    return (centre + spread * (2.0 * uniform - 1.0)).astype(np.float32).reshape(shape)


def projections(name, gradient):
    g = gradient.reshape(-1).astype(np.float64)
    words = philox(g.size, name_hash(name), 1)
    signs = (1.0 - 2.0 * ((words >> np.uint32(k)) & np.uint32(1)) for k in range(PROJECTIONS))
    return np.array([np.linalg.norm(g)] + [float(np.dot(s, g)) for s in signs], dtype=np.float32)


def write_safetensors(path, tensors, metadata):
    header, offset = {"__metadata__": metadata}, 0
    for name, a in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(a.shape), "data_offsets": [offset, offset + a.nbytes]}
        offset += a.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".part", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for a in tensors.values():
            f.write(np.ascontiguousarray(a).tobytes())
    os.replace(path + ".part", path)


def numpy32(t):
    return t.detach().numpy().astype(np.float32)


def images(n):
    return torch.from_numpy(draw("input", (n, 3, 32, 32))).double()


def widest_gap(values):
    """Per channel of (N, C, H, W), what to add so that zero falls into the widest gap between values near it."""
    v = values.transpose(0, 1).flatten(1).sort(dim=1).values
    deviation = v.std(dim=1, keepdim=True)
    v = torch.cat([v[:, :1] - deviation, v, v[:, -1:] + deviation], dim=1)
    gap, middle = v[:, 1:] - v[:, :-1], (v[:, 1:] + v[:, :-1]) / 2
    near = torch.where(middle.abs() < 0.1 * deviation, gap, torch.zeros_like(gap))
    return -middle.gather(1, near.argmax(dim=1, keepdim=True)).squeeze(1) * (near.max(dim=1).values > 0)


def make_net(peer, arguments, n):
    """The network in double precision, its parameters fp32 values, its biases fitted to the images."""
    net = peer.NFNet(**arguments).double()
    for name, p in net.named_parameters():
        p.data.copy_(torch.from_numpy(draw(name, tuple(p.shape))))

    def shift(bias, scale, out):
        before = bias.data.clone()
        bias.data.add_(widest_gap(out) / scale).copy_(bias.data.float())
        return out + ((bias.data - before) * scale).view(1, -1, 1, 1)

    def fit_convolution(conv, _, out):
        return shift(conv.bias, 1.0, out)

    def fit_block(block, _, out):
        return shift(block.conv3.bias, block.alpha * (1.0 if block.skip_gain is None else float(block.skip_gain)), out)

    hooks = [net.stem.register_forward_hook(fit_convolution)]
    for block in net.blocks:
        hooks += [c.register_forward_hook(fit_convolution) for c in (block.conv0, block.conv1, block.conv2)]
        hooks.append(block.register_forward_hook(fit_block))
    with torch.no_grad():
        net(images(n))
    for hook in hooks:
        hook.remove()
    return net


def backward(net, n, smoothing):
    x = images(n)
    y = torch.from_numpy((philox(n, name_hash("labels"), 0) % 10).astype(np.int64))
    net.zero_grad()
    logits = net(x)
    loss = F.cross_entropy(logits, y, label_smoothing=smoothing)
    loss.backward()
    return logits, loss


def measure_signal(net, n, smoothing):
    """Of the stem's and each block's output, by hooks: channel variance and squared mean (averages over the channels),
    variance at the end of the residual branch (0 for the stem), norm and channel variance of the output's gradient."""
    outputs, branches = [], [None]

    def keep_output(_, __, out):
        out.retain_grad()
        outputs.append(out)

    hooks = [module.register_forward_hook(keep_output) for module in [net.stem, *net.blocks]]
    hooks += [b.conv3.register_forward_hook(lambda _, __, out: branches.append(out.detach())) for b in net.blocks]
    backward(net, n, smoothing)
    for hook in hooks:
        hook.remove()

    def variance(t):
        return float(t.var(dim=(0, 2, 3), unbiased=False).mean())

    return np.array([[variance(out), float(out.mean(dim=(0, 2, 3)).square().mean()),
                      0.0 if branch is None else variance(branch), float(out.grad.norm()), variance(out.grad)]
                     for out, branch in zip(outputs, branches)], dtype=np.float32)


def updated(peer, net, n, smoothing, report):
    """The parameters after three steps of the family's optimizer; the report's: plain momentum, decay on everything."""
    named = dict(net.named_parameters())
    matrices = [p for p in named.values() if p.dim() > 1]
    vectors = [p for p in named.values() if p.dim() <= 1]
    decay = 0.01
    opt = torch.optim.SGD([dict(params=matrices, weight_decay=decay),
                           dict(params=vectors, weight_decay=decay if report else 0.0)],
                          lr=0.05, momentum=0.9, nesterov=not report)
    for _ in range(3):
        backward(net, n, smoothing)
        if not report:
            peer.agc_([p for name, p in named.items() if p.dim() > 1 and not name.startswith("head")], 0.02)
        opt.step()
    return {f"updated.{name}": numpy32(p) for name, p in named.items()}


def make_case(peer, folder, name, case, weights, full, update):
    settings, arguments, n, smoothing = case
    net = make_net(peer, arguments, n)
    logits, loss = backward(net, n, smoothing)
    gradients = {k: numpy32(p.grad) for k, p in net.named_parameters()}
    tensors = {"logits": numpy32(logits), "loss": numpy32(loss),
               "predicted": np.array(net.predicted, dtype=np.float32),
               "signal": measure_signal(net, n, smoothing)}
    parameters = {k: numpy32(p) for k, p in net.named_parameters()}
    if not weights:
        tensors.update({k: p for k, p in parameters.items() if k.endswith(".bias")})
    for k, g in gradients.items():
        tensors.update({f"gradient.{k}": g} if full else {f"projection.{k}": projections(k, g)})
    if update:
        tensors.update(updated(peer, net, n, smoothing, arguments.get("report", False)))
    metadata = {"settings": settings, "images": str(n), "torch": torch.__version__}
    if weights:
        write_safetensors(os.path.join(folder, name + ".weights.safetensors"), parameters, {"format": "pt"})
    write_safetensors(os.path.join(folder, name + ".expected.safetensors"), tensors, metadata)
    print(f"{name}: {n} images, loss {float(loss):.6f}, {sum(p.size for p in parameters.values())} parameters")


def presets(peer):
    return {p: (f"--preset {p}", peer.PRESETS[p], n, 0.0) for p, n in PRESETS.items()}


def live_is_fresh(folder, sources):
    made = [os.path.join(folder, p + ".expected.safetensors") for p in PRESETS]
    return all(os.path.exists(m) and os.path.getmtime(m) > max(map(os.path.getmtime, sources)) for m in made)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=os.environ.get("NFBENCH_PEER", "../shared/peer"))
    parser.add_argument("mode", choices=["golden", "live"])
    parser.add_argument("folder")
    a = parser.parse_args()
    sys.path.insert(0, a.peer)
    import torch_nfnet as peer

    if a.mode == "golden":
        for name, case in SMALL.items():
            make_case(peer, a.folder, name, case, weights=True, full=True, update=True)
        for name, case in presets(peer).items():
            make_case(peer, a.folder, name, case, weights=False, full=False, update=False)
    elif not live_is_fresh(a.folder, [__file__, peer.__file__]):
        for name, case in presets(peer).items():
            make_case(peer, a.folder, name, case, weights=True, full=True, update=False)


main()
