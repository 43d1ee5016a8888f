#!/bin/sh
# sandbox BUILD: the programs in their sandbox (docs/security.md, Sandbox): what they write, start and connect to, as the kernel sees it;
# and that it is told where the sandbox forbids something. tests/test_sandbox.c tries what is forbidden.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=2
unset SWIN_UMAMBA_SANDBOX
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/make_phantom" -o "$out/raw" --cases 5 --size 2x36x40 --quiet 2>/dev/null
train() { "$@" "$build/train" "$out/pre" 0 --epochs 1 --iterations-per-epoch 2 --validation-iterations 1 --batch-size 2 \
    --patch-size 32x32 --quiet -o "$out/results"; }

check "another value of the switch" 1 env SWIN_UMAMBA_SANDBOX=no "$build/evaluate" "$out/raw/labelsTr" "$out/raw/labelsTr" -o "$out/none"
has "is refused" 'error: SWIN_UMAMBA_SANDBOX=no: expected on or off' stderr
is "and nothing is written" test ! -e "$out/none"

# A folder that is made for a run that is refused goes away; one that was there stays.
mkdir "$out/there"
check "no such model" 1 "$build/predict" -i "$out/raw/imagesTr" -m "$out/nothing" -o "$out/one/two" --quiet
is "leaves no folder" test ! -e "$out/one"
check "no such cases" 1 "$build/evaluate" "$out/raw/labelsTr" "$out/there" -o "$out/there" --quiet
is "keeps the folder" test -d "$out/there"

# Is there a sandbox at all?
check "a plan" 0 "$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --quiet
check "a training" 0 train env
start() { # COMMAND…: predict --watch with all its threads, $pid
    rm -rf "$out/in" "$out/watched"; mkdir "$out/in"; cp "$out/raw/imagesTr/phantom_001_0000.nii.gz" "$out/in"
    "$@" "$build/predict" --watch "$out/in" -m "$out/results" -o "$out/watched" --settle 0.1 --quiet >"$out/log" 2>&1 & pid=$!
    tries=0
    until [ -e "$out/watched/phantom_001.nii.gz" ] || [ $tries -ge 300 ]; do sleep 0.1; tries=$((tries + 1)); done
}
stop() { kill -TERM $pid; wait $pid; ended=$?; pid=; }
restricted() { cat /proc/$pid/task/*/status 2>/dev/null | sed -n 's/^NoNewPrivs:[[:space:]]*//p' | sort -u | tr -d '\n'; }
start env SWIN_UMAMBA_SANDBOX=off; equals "there is none if it is switched off" "$(restricted)" 0; stop
start env; found=$(restricted); stop; equals "a program in its sandbox ends as it should" $ended 0
if [ "$found" = 0 ]; then echo "ok - sandbox # SKIP this kernel has no Landlock, or a version before 2"; exit 0; fi
equals "all threads are in it" "$found" 1

# A fold on another disk, by a link; and a link that is deeper, of which the message tells.
mkdir -p "$out/disk/fold_0"; rm -rf "$out/results/fold_0"; ln -s "$out/disk/fold_0" "$out/results/fold_0"
check "a fold is trained whose folder is a link" 0 train env
is "into that folder" test -s "$out/disk/fold_0/checkpoint_final.safetensors"
mv "$out/disk/fold_0/validation" "$out/disk/deeper"; ln -s "$out/disk/deeper" "$out/disk/fold_0/validation"
rm -f "$out/disk/deeper"/*
check "a link below it" 1 "$build/train" "$out/pre" 0 -o "$out/results" --val-only --quiet
has "is named with the way out" 'SWIN_UMAMBA_SANDBOX=off' stderr
check "which works" 0 env SWIN_UMAMBA_SANDBOX=off "$build/train" "$out/pre" 0 -o "$out/results" --val-only --quiet
rm -rf "$out/results"; check "without links" 0 train env

# What the kernel was asked for. Without the sandbox: so it hides nothing.
if ! strace -f -o "$out/trace" true 2>/dev/null; then echo "ok - system calls # SKIP there is no strace, or it may not trace"; exit 0; fi
case $build in */asan | */tsan) echo "ok - system calls # SKIP a sanitizer's own are among them"; exit 0 ;; esac
traced() { # WHAT FOLDER COMMAND…: writes below FOLDER only, starts nothing, connects to nothing
    what=$1 folder=$2; shift 2
    check "$what" 0 env SWIN_UMAMBA_SANDBOX=off TMPDIR=/nonexistent strace -f -qq -o "$out/trace" \
        -e trace=execve,execveat,socket,connect,open,openat,creat,mkdir,rename,renameat,renameat2,unlink,rmdir,link,symlink,truncate "$@"
    sed 's/^[0-9]* *//' "$out/trace" | grep -v ' = -1 E\|^+++\|^---\|resumed' |
        grep -E '^(socket|connect|creat|mkdir|rename|unlink|rmdir|link|symlink|truncate)|O_WRONLY|O_RDWR|O_CREAT' |
        grep -vF -e "\"$folder" -e '"/dev/null"' -e '/.lock"' >"$out/calls"
    equals "$what: one program is started" "$(grep -c ' execve' "$out/trace")" 1
    if [ -s "$out/calls" ]; then echo "not ok - $what: only below its folder"; cat "$out/calls"; else echo "ok - $what: only below its folder"; fi
}
traced "plan_and_preprocess" "$out/traced" "$build/plan_and_preprocess" "$out/raw" -o "$out/traced/pre" --override "$out/narrow.yaml" --quiet
rm -rf "$out/results"
traced "train" "$out/results" "$build/train" "$out/pre" 0 --epochs 1 --iterations-per-epoch 2 --validation-iterations 1 --batch-size 2 \
    --patch-size 32x32 --quiet -o "$out/results"
traced "predict" "$out/predicted" "$build/predict" -i "$out/raw/imagesTr" -m "$out/results" -o "$out/predicted" --quiet
traced "evaluate" "$out/evaluation" "$build/evaluate" "$out/raw/labelsTr" "$out/predicted" -o "$out/evaluation" --quiet
