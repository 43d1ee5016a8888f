"""Times the selective scan of mamba-ssm with the shapes of Swin-UMamba's first stage, beside which the rows of
selective_scan in `bench --device cuda --ops --network swin_umamba_d` are read. Called by tools/gpu_check."""
import torch
from mamba_ssm.ops.selective_scan_interface import selective_scan_fn


def milliseconds(run, repeats=20):
    for _ in range(3):
        run()
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(repeats):
        run()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / repeats


def main():
    directions, states = 4, 16
    print("mamba-ssm's scan: batch, channels, positions: forward ms, backward ms")
    for batch, channels, edge in ((1, 192, 80), (8, 192, 80), (32, 192, 80), (32, 768, 20)):
        length, wide = edge * edge, directions * channels
        u, delta = (torch.randn(batch, wide, length, device="cuda", requires_grad=True) for _ in range(2))
        a = -torch.rand(wide, states, device="cuda").requires_grad_()
        b, c = (torch.randn(batch, directions, states, length, device="cuda", requires_grad=True) for _ in range(2))
        d, bias = (torch.randn(wide, device="cuda", requires_grad=True) for _ in range(2))

        def forward():
            return selective_scan_fn(u, delta, a, b, c, d, delta_bias=bias, delta_softplus=True)

        y = forward()
        g = torch.randn_like(y)
        ahead = milliseconds(forward)
        both = milliseconds(lambda: forward().backward(g))
        print(f"{batch}, {channels}, {length}: {ahead:.3f}, {both - ahead:.3f}")


main()
