"""Networks in plain PyTorch, for bench/beside_python.py.

NnUNet is nnU-Net's PlainConvUNet with the topology that its planner makes for patches of 320x320. SwinUMamba has the
layers of network/models/swin_umamba.c and blocks.c without the selective scan and its projections. PyTorch's convolutions
take N,C,H,W, its linear layers and layer norms N,H,W,C: so its encoder works in N,H,W,C, as VMamba's code does, and its
decoder in N,C,H,W."""
import torch
from torch import nn
from torch.nn import functional as F


def convolutions(before, channels, stride=1):
    """A stage of nnU-Net: two convolutions with norm and activation."""
    layers = []
    for first, step in ((before, stride), (channels, 1)):
        layers += [nn.Conv2d(first, channels, 3, step, 1), nn.InstanceNorm2d(channels, affine=True),
                   nn.LeakyReLU(0.01, inplace=True)]
    return nn.Sequential(*layers)


class NnUNet(nn.Module):
    FEATURES = (32, 64, 128, 256, 512, 512, 512)

    def __init__(self, channels, classes):
        super().__init__()
        features, below = self.FEATURES[-2::-1], self.FEATURES[:0:-1]
        self.encoder = nn.ModuleList(convolutions(b, c, 1 + (i > 0)) for i, (b, c) in
                                     enumerate(zip((channels, *self.FEATURES), self.FEATURES)))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(b, c, 2, 2) for b, c in zip(below, features))
        self.decoder = nn.ModuleList(convolutions(2 * c, c) for c in features)
        self.heads = nn.ModuleList(nn.Conv2d(c, classes, 1) for c in features)

    def forward(self, x):
        skips, heads = [], []
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        for up, stage, head, skip in zip(self.ups, self.decoder, self.heads, skips[-2::-1]):
            x = stage(torch.cat((up(x), skip), 1))
            heads.append(head(x))
        return heads[::-1] if self.training else heads[-1]


DIMS, DEPTHS, STATES = (96, 192, 384, 768), (2, 2, 9, 2), 16


class Block(nn.Module):
    """A VSS block. The scan is left out: out_norm takes the scan's input."""

    def __init__(self, channels):
        super().__init__()
        inner = 2 * channels
        self.ln_1 = nn.LayerNorm(channels)
        self.in_proj = nn.Linear(channels, 2 * inner, bias=False)
        self.conv2d = nn.Conv2d(inner, inner, 3, padding=1, groups=inner)
        self.out_norm = nn.LayerNorm(inner)
        self.out_proj = nn.Linear(inner, channels, bias=False)

    def forward(self, x):
        y, z = self.in_proj(self.ln_1(x)).chunk(2, -1)
        y = F.silu(self.conv2d(y.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
        return x + self.out_proj(self.out_norm(y) * F.silu(z))


class Merge(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x):
        parts = x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]
        return self.reduction(self.norm(torch.cat(parts, -1)))


class Residual(nn.Module):
    def __init__(self, before, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(before, channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.conv3 = nn.Conv2d(before, channels, 1, bias=False) if before != channels else None

    def forward(self, x):
        y = F.instance_norm(self.conv2(F.leaky_relu(F.instance_norm(self.conv1(x)))))
        return F.leaky_relu(y + (F.instance_norm(self.conv3(x)) if self.conv3 else x))


class Up(nn.Module):
    def __init__(self, before, channels):
        super().__init__()
        self.up = nn.ConvTranspose2d(before, channels, 2, 2, bias=False)
        self.block = Residual(2 * channels, channels)

    def forward(self, x, skip):
        return self.block(torch.cat((self.up(x), skip), 1))


class SwinUMamba(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        half = DIMS[0] // 2
        features = (half, *DIMS)  # at 1, 1/2, 1/4, 1/8, 1/16 of the size
        self.stem = nn.Sequential(nn.Conv2d(channels, half, 7, 2, 3), nn.InstanceNorm2d(half, affine=True))
        self.embed, self.embed_norm = nn.Conv2d(half, DIMS[0], 2, 2), nn.LayerNorm(DIMS[0])
        self.stages = nn.ModuleList(nn.Sequential(*[Block(c) for _ in range(d)]) for c, d in zip(DIMS, DEPTHS))
        self.merges = nn.ModuleList(Merge(c) for c in DIMS[:-1])
        self.encoders = nn.ModuleList(Residual(b, c) for b, c in zip((channels, half, *DIMS[:-1]), features))
        self.decoders = nn.ModuleList(Up(b, c) for b, c in zip((DIMS[3], *DIMS[:0:-1], DIMS[0]),
                                                               (DIMS[3], *DIMS[2::-1], half)))
        self.decoder1 = Residual(half, half)
        self.heads = nn.ModuleList(nn.Conv2d(c, classes, 1) for c in (half, *DIMS[:3]))

    def forward(self, image):
        scales = [image, self.stem(image)]
        x = self.embed_norm(self.embed(scales[1]).permute(0, 2, 3, 1))
        for i, stage in enumerate(self.stages):
            x = stage(self.merges[i - 1](x) if i else x)
            scales.append(x.permute(0, 3, 1, 2))
        skips = [encoder(x) for encoder, x in zip(self.encoders, scales)]
        x, steps = scales[-1], []
        for decoder, skip in zip(self.decoders, skips[::-1]):
            x = decoder(x, skip)
            steps.append(x)
        steps[-1] = self.decoder1(steps[-1])
        return [head(x) for head, x in zip(self.heads, steps[:0:-1])]


def scan_parameters():
    """The number of parameters that are left out: x_proj, dt_proj with its bias, A_log and D, in four directions."""
    def of_block(channels):
        inner, rank = 2 * channels, -(-channels // 16)
        return 4 * inner * ((rank + 2 * STATES) + rank + 1 + STATES + 1)

    return sum(depth * of_block(channels) for channels, depth in zip(DIMS, DEPTHS))
