#!/usr/bin/env python3
"""A session of nfbench as a PyTorch network with the same logits. Needs torch and safetensors.

    from load_session import load_session
    net, prepare = load_session("~/.local/share/nfbench/20260131-micro-1")   # checkpoint="best", averaged=False, ...
    logits = net(prepare(images))                                            # images: uint8, (N, 3, 32, 32), RGB

Parameters have the names they have in the file: `nfbench import` reads what save_file(net.state_dict(), FILE) writes.
"""
import configparser, json, pathlib, sys, types
import torch, torch.nn as nn, torch.nn.functional as F
from safetensors import safe_open

GAMMA = {"relu": 1.7128586, "gelu": 1.7009262, "silu": 1.7871872, "tanh": 1.5925374}  # 1 / std(act(z)), z ~ N(0, 1)

def options(m):
    """What the blocks must know of the settings ([model] of settings.ini)."""
    o = types.SimpleNamespace(report=m["family"] == "report", batch_norm=m["norm"] == "batch", ws="off",
                              pool=m.get("shortcut") != "conv", alpha=float(m["alpha"]),
                              squeeze_excite=float(m["squeeze-excite"]), group_width=int(m["group-width"]),
                              act=getattr(torch if m["activation"] == "tanh" else F, m["activation"]))
    o.gamma = 1.0 if o.report or o.batch_norm else GAMMA[m["activation"]]
    if m["ws"] == "on" and not o.batch_norm: o.ws = m["family"]
    return o

class Conv(nn.Conv2d):
    """Weights standardised over each output channel's fan-in, as the papers or the report do it, or as they are."""
    def __init__(self, o, cin, cout, k, stride=1, groups=1):
        super().__init__(cin, cout, k, stride, k // 2, groups=groups)
        self.ws, self.gain = o.ws, nn.Parameter(torch.ones(cout)) if o.ws == "papers" else None
    def forward(self, x):
        if self.ws == "off": return super().forward(x)
        n, w = self.weight[0].numel(), self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        squares = w.square().sum(dim=(1, 2, 3), keepdim=True)
        if self.ws == "papers": w = w * squares.clamp(min=1e-4).rsqrt() * self.gain.view(-1, 1, 1, 1)
        else: w = 1.712858 * w / (((squares / max(n - 1, 1)).sqrt() + 1e-5) * n ** 0.5)
        return self._conv_forward(x, w, self.bias)

class SqueezeExcite(nn.Module):
    def __init__(self, width, ratio):
        super().__init__()
        hidden = max(1, int(ratio * width + 0.5))
        self.fc0, self.fc1 = nn.Linear(width, hidden), nn.Linear(hidden, width)
    def forward(self, x): return x * (2 * self.fc1(self.fc0(x.mean(dim=(2, 3))).relu()).sigmoid())[:, :, None, None]

class Block(nn.Module):
    def __init__(self, o, cin, cout, mid, stride, variance):
        super().__init__()
        self.o, self.alpha, self.transition = o, 1.0 if o.batch_norm else o.alpha, stride > 1 or cin != cout
        self.beta = 1.0 if o.batch_norm else variance if o.report else variance ** 0.5
        self.pools = stride > 1 and o.pool and not o.report
        if o.batch_norm:
            self.bn0 = nn.BatchNorm2d(cin)
            self.bn1, self.bn2, self.bn3 = (nn.BatchNorm2d(mid) for _ in range(3))
        groups = mid // o.group_width if o.group_width else 1
        self.conv0 = Conv(o, cin, mid, 1, stride if o.report else 1)
        self.conv1 = Conv(o, mid, mid, 3, 1 if o.report else stride, groups)
        self.conv2, self.conv3 = Conv(o, mid, mid, 3, 1, groups), Conv(o, mid, cout, 1)
        if self.transition: self.proj = Conv(o, cin, cout, 1, 1 if self.pools else stride)
        if o.squeeze_excite: self.se = SqueezeExcite(cout, o.squeeze_excite)
        if not (o.report or o.batch_norm): self.skip_gain = nn.Parameter(torch.zeros(()))
    def act(self, x, i): return self.o.act(getattr(self, f"bn{i}")(x) if self.o.batch_norm else x) * self.o.gamma
    def forward(self, x):
        h, shortcut = self.act(x, 0) / self.beta, x
        if self.transition:
            shortcut = self.proj(x / self.beta if self.o.report else F.avg_pool2d(h, 2) if self.pools else h)
        h = self.conv1(self.act(self.conv0(h), 1))
        h = self.conv3(self.act(self.conv2(self.act(h, 2)), 3))
        if self.o.squeeze_excite: h = self.se(h)
        return shortcut + self.alpha * getattr(self, "skip_gain", 1.0) * h

class NFNet(nn.Module):
    """The network of the settings as it is evaluated: without dropout and stochastic depth."""
    def __init__(self, m):
        super().__init__()
        o, blocks, cin, variance = options(m), [], int(m["stem"]), 1.0
        as_is = types.SimpleNamespace(**{**vars(o), "ws": "off"})  # of a whitened stem
        self.o, self.stem = o, Conv(as_is if m.get("stem-kind") == "whitened" else o, 3, cin, 3)
        for stage in m["stages"].split(","):  # WIDTH/MIDxBLOCKS[/STRIDE]
            widths, rest = stage.strip().split("x")
            (cout, mid), (count, stride) = map(int, widths.split("/")), map(int, (rest + "/1").split("/")[:2])
            for i in range(count):
                blocks.append(Block(o, cin, cout, mid, stride if i == 0 else 1, variance))
                variance, cin = (1.0 if blocks[-1].transition else variance) + o.alpha ** 2, cout
        self.blocks, self.head = nn.Sequential(*blocks), nn.Linear(cin, int(m["classes"]))
        if o.batch_norm and not o.report: self.norm = nn.BatchNorm2d(cin)
    def forward(self, x):
        x = self.blocks(self.stem(x))
        if not self.o.report: x = self.o.act(self.norm(x) if self.o.batch_norm else x) * self.o.gamma
        return self.head(x.mean(dim=(2, 3)))

def load_session(folder, checkpoint="last", averaged=True):
    """The network at a checkpoint ("last", "best", a step or a name), with averaged weights (--ema) where it keeps them
    unless averaged=False, and a function that normalises images of bytes as the session does."""
    folder = pathlib.Path(folder).expanduser()
    settings = configparser.ConfigParser(interpolation=None)
    settings.read_string((folder / "settings.ini").read_text())
    if checkpoint in ("last", "best"):
        files = [path for path in (folder / "checkpoints").glob("*.safetensors") if path.stem.isdigit()]
        files.sort(key=lambda path: int(path.stem), reverse=True)
        best = (path for path in files if safe_open(path, "pt").metadata()["best"] == "true")
        checkpoint = (files[0] if checkpoint == "last" else next(best, files[0])).stem
    net, tensors = NFNet(settings["model"]).eval(), {}
    with safe_open(folder / "checkpoints" / f"{checkpoint}.safetensors", "pt") as file:
        for name in net.state_dict():
            if name.endswith("num_batches_tracked"): continue  # PyTorch's own count, of no use here
            tensors[name] = file.get_tensor(f"ema.{name}" if averaged and f"ema.{name}" in file.keys() else name)
        unknown = {name for name in file.keys() if not name.startswith(("ema.", "momentum.", "slow."))} - set(tensors)
    if unknown: raise ValueError(f"{folder}: tensors that this network does not have: {sorted(unknown)}")
    net.load_state_dict(tensors, strict=not net.o.batch_norm)

    def prepare(images):
        x = images.float() / 255
        if settings["train"]["normalize"] == "image":
            mean, deviation = x.mean(dim=(1, 2, 3), keepdim=True), x.std(dim=(1, 2, 3), keepdim=True, unbiased=False)
        else:
            data = json.loads((folder / "input.json").read_text())
            mean, deviation = (torch.tensor(data[key]).view(1, 3, 1, 1) for key in ("mean", "deviation"))
        return torch.where(deviation > 0, (x - mean) / deviation, torch.zeros(()))
    return net, prepare

if __name__ == "__main__":
    print(load_session(*sys.argv[1:3])[0])
