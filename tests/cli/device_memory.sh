#!/bin/sh
# device_memory BUILD: plans for a GPU elsewhere (--device-memory), in a build without CUDA; network_info --device cuda.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
raw=$out/Dataset707_Memory
"$build/make_phantom" -o "$raw" --cases 5 --size 40x96x96 --quiet 2>/dev/null
plan() { # FOLDER OPTIONS…
    folder=$1; shift
    "$build/plan_and_preprocess" "$raw" -o "$out/$folder" -j1 "$@"
}
batch() { sed -n 's/^ *batch_size: //p' "$out/$1/plans.yaml"; }
explained() { sed -n 's/^batch: .* take \([0-9.]*\) of .*/\1/p' "$out/stdout"; }

# ---- a network by its memory plan
printf 'network: {width: 0.5}\n' >"$out/half.yaml"
check "a plan for a small GPU" 0 plan small --override "$out/half.yaml" --device-memory 1450M --explain
has "which it says" '^batch: .* of 1\.41602 GiB by the memory plan of swin_umamba_d, an estimate from the CPU.s plan' stdout
is "with a gigabyte for driver and libraries" awk "BEGIN {exit !($(explained) > 1)}"
has "is recorded" '^planned_gpu_gb: 1\.416015625' small/plans.yaml
has "with the options" '^options: .*--device-memory 1450M' small/cases.yaml
check "a larger one" 0 plan large --override "$out/half.yaml" --device-memory 2G --explain
is "has larger batches" test "$(batch large)" -gt "$(batch small)"
check "with bfloat16" 0 plan large_bf16 --override "$out/half.yaml" --device-memory 1450M --precision bf16 --explain
case $("$build/network_info" swin_umamba_d -p 64x64 --precision bf16 --quiet 2>&1) in
    *parameters:*) is "larger still" test "$(batch large_bf16)" -gt "$(batch small)";;
    *) echo "ok - larger still # SKIP this CPU has no bfloat16";;
esac
check "a plan for none" 0 plan none --override "$out/half.yaml" --memory-target 1450M
lacks "records none" planned_gpu_gb none/plans.yaml
is "and takes the memory itself" test "$(batch none)" -gt "$(batch small)"
check "one that holds no batch of 2" 1 plan tiny --device-memory 1025M
has "is refused with what to do" 'take 1\.[0-9]* GiB; give a larger --device-memory' stderr

# ---- nnU-Net's U-Net: its own rule, reduced to what the GPU holds
check "nnU-Net's planner for 24 GB" 0 plan unet -n nnunet --device-memory 24G --explain
has "follows its estimate" '^batch: .* fit 24 GB by nnU-Net.s estimate' stdout
has "and that it fits" '^batch: [0-9]* take [0-9.]* of 24 GiB by an estimate' stdout
check "for 1500 MB" 0 plan unet_small -n nnunet --device-memory 1500M --explain
has "takes fewer" 'of 1\.46484 GiB by an estimate .*: fewer than nnU-Net.s estimate allows' stdout
is "which fit" awk "BEGIN {exit !($(explained) <= 1.47)}"

# ---- the options
check "two memories are wrong usage" 2 plan wrong --device-memory 24G --memory-target 8G
has "which is told" 'either --memory-target, .*, or --device-memory' stderr
check "a GPU that this build cannot ask" 1 plan wrong --device cuda
has "is told so" 'device cuda: this build has no CUDA' stderr
check "but can be planned for" 0 plan named --device cuda --device-memory 4G
has "recorded" '^planned_gpu_gb: 4' named/plans.yaml
is "nothing else was made" test ! -e "$out/wrong"

# ---- the memory of a network
check "network_info on a GPU" 0 "$build/network_info" swin_umamba_d -p 64x64 -b 2 --device cuda --quiet
has "says that it estimates" 'memory on cuda, an estimate from the CPU.s plan.*1024 MiB, assumed for driver and libraries' stdout
has "and the parts" '^training memory: .* activations .*scratch of an operation .*gradients .*moments' stdout
"$build/network_info" swin_umamba_d -p 64x64 -b 2 --device cuda --yaml --quiet >"$out/net.yaml"
bytes() { sed -n "s/^$1_bytes: //p" "$out/net.yaml"; }
equals "which are all" "$(($(bytes training_arena) + $(bytes training_parameter) + $(bytes training_gradient) + $(bytes training_moment)))" \
    "$(bytes training)"
equals "with the share of libraries" "$(bytes gpu_libraries)" 1073741824
