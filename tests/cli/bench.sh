#!/bin/sh
# bench: its output, and arguments that are errors; no time is checked.
build=$1
. tests/support/tap.sh
bench() { "$build/bench" --quick --size 64x64 -j 1 --quiet "$@"; }

check 'parts are measured' 0 bench --ops --networks --table --pipeline -n swin_umamba_d --json "$out/a.json"
for section in limits ops scan networks scaling table pipeline; do
    check "the file has $section" 0 grep -q "\"$section\"" "$out/a.json"
done
for field in network height width batch precision what seconds fraction_of_peak peak_bytes; do
    check "networks have $field" 0 sh -c "sed -n '/\"networks\"/,/\"scaling\"/p' '$out/a.json' | grep -q '\"$field\"'"
done
check 'networks have no other field' 0 sh -c "! sed -n '/\"networks\"/,/\"scaling\"/p' '$out/a.json' | grep -oE '\"[a-z_]+\":' |
    grep -vqE 'networks|scaling|network|height|width|batch|precision|what|seconds|fraction_of_peak|peak_bytes'"
for field in forward_seconds forward_fraction train_seconds train_fraction; do
    check "the table has $field" 0 sh -c "sed -n '/\"table\"/,/\"pipeline\"/p' '$out/a.json' | grep -q '\"$field\"'"
done
for name in selective_scan linear conv2d layer_norm dice_ce_loss; do
    check "ops have $name, both ways" 0 sh -c "grep '\"$name\"' '$out/a.json' | grep '\"forward_ms\"' | grep -q '\"backward_ms\"'"
done
for limit in sgemm_gflops_1 sgemm_gflops_all bf16_gflops_1 bf16_gflops_all copy_gbytes_1 copy_gbytes_all exp_giga_1; do
    check "limits have $limit" 0 sh -c "sed -n '/\"limits\"/,/\"ops\"/p' '$out/a.json' | grep -q '\"$limit\"'"
done
for what in 'resample, cubic' augmentation 'sliding window' export 'packing of labels' overlap 'surface distances'; do
    check "the pipeline has $what" 0 sh -c "sed -n '/\"pipeline\"/,$ p' '$out/a.json' | grep -q '\"$what\"'"
done
if command -v python3 >/dev/null; then check 'the file is JSON' 0 python3 -m json.tool "$out/a.json"; else echo 'ok - the file is JSON # SKIP no python3'; fi
check 'only bf16 where there is such' 0 sh -c "
    '$build/bench' --version | grep -q avx512_bf16 || { '$build/bench' --precision bf16 2>&1 | grep -q 'no bfloat16'; exit; }
    '$build/bench' --quick --size 64x64 --networks -n swin_umamba_d --precision bf16 | grep swin_umamba_d | grep -qv fp32"
check 'runs are compared' 0 bench --networks -n swin_umamba_d --compare "$out/a.json"
cp "$out/stdout" "$out/ratios"
check 'with ratios' 0 grep -q 'swin_umamba_d.*forward.*seconds ×' "$out/ratios"
check 'an unknown network is an error' 1 bench --networks -n swin_umamba_e
check 'a size that no network takes is wrong usage' 2 bench --networks --size 64
check 'a missing file to compare with is an error' 1 bench --networks -n swin_umamba_d --compare "$out/none.json"
check 'a wrong option is wrong usage' 2 bench --what backward
