#!/bin/sh
# gpu_check BUILD: tools/gpu_check with the emulated GPU in BUILD: its reports, a part that fails, one that takes too long.
build=$1
. tests/support/tap.sh

check "parts that pass" 0 tools/gpu_check --build "$build" --part train --part mamba --out "$out/a"
has "are told" '^train  *passed .* passed, 0 failed$' stdout
has "what is not there is skipped" '^mamba  *skipped .* has no mamba_ssm$' a/report.txt
has "also in JSON" '^  {"part": "train", "state": "passed", "seconds": [0-9]*, "last": ".*"},$' a/report.json
mkdir -p "$out/fake/tests"; printf '#!/bin/sh\necho 1..1; echo "not ok 1 - \\"quoted\\" 5 \\\\ 3"; exit 1\n' >"$out/fake/tests/test_gpu"
chmod +x "$out/fake/tests/test_gpu"; cp "$out/fake/tests/test_gpu" "$out/fake/tests/test_ops"
check "a part that fails" 1 tools/gpu_check --build "$out/fake" --part ops --out "$out/b"
has "is shown with its end" '| *not ok 1 - "quoted" 5' b/report.txt
has "in both reports" '"state": "failed", .*not ok 1 - \\"quoted\\" 5 \\\\ 3' b/report.json
printf '#!/bin/sh\nsleep 3; echo 1..1; echo ok 1\n' | tee "$out/fake/tests/test_gpu" >"$out/fake/tests/test_ops"
mkdir "$out/bin"; printf '#!/bin/sh\necho >>"%s"; wc -l <"%s" | sed s/$/000/\n' "$out/calls" "$out/calls" >"$out/bin/date"
chmod +x "$out/bin/date" # each call is 1000 seconds later
check "a part that begins after 10 minutes" 1 env PATH="$out/bin:$PATH" tools/gpu_check --build "$out/fake" --part ops --out "$out/d"
has "has no time left" 'ended: longer than 1 s' d/report.txt
check "a part that is not known" 2 tools/gpu_check --part opps
has "is wrong usage" 'opps: no such part; there are: machine build ops' stderr
command -v nvidia-smi >/dev/null || {
    check "a machine without a GPU" 1 tools/gpu_check --out "$out/c"
    has "ends at once" '^machine  *failed .*there is no nvidia-smi: install' stdout
    lacks "and builds nothing" '^build' stdout
}
