#!/bin/sh
# share_cases BUILD: several processes that share the cases of plan_and_preprocess, predict and evaluate: they write what one writes.
build=$1
. tests/support/tap.sh
. tests/support/ranks.sh
expect_mpi "$build"
export OMP_NUM_THREADS=1

"$build/make_phantom" -o "$out/raw" --cases 9 --size 3x36x40 --channels 2 --quiet 2>/dev/null
both() { # WHAT STATUS PROGRAM OPTIONS…: into $out/one and $out/three, which replace OUT
    what=$1 want=$2; shift 2
    for place in one three; do
        command=$(printf '%s\n' "$@" | sed "s|OUT|$out/$place|" | tr '\n' ' ')
        if [ $place = one ]; then check "$what" "$want" $command; mv "$out/stderr" "$out/one.txt"
        else check "by three" "$want" ranks 3 $command; mv "$out/stderr" "$out/three.txt"; fi
    done
}
same() { # NAME PATH EXCEPT…: what is in a folder
    name=$1 path=$2; shift 2
    is "$name" diff -r $(printf ' -x %s' "$@" nothing) "$out/one/$path" "$out/three/$path"
}
messages() { # FILE: of the program itself, without times and what mpirun tells
    grep -E '^(plan_and_preprocess|predict|evaluate): ' "$1" | grep -v 'peak memory\|(done\|[0-9] left\|[0-9] s$' | sed "s|$out/[a-z]*|OUT|g"
}
same_messages() { messages "$out/one.txt" >"$out/a"; messages "$out/three.txt" >"$out/b"; is "$1" diff "$out/a" "$out/b"; }

printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
both "the dataset is preprocessed" 0 "$build/plan_and_preprocess" "$out/raw" -o OUT/pre --override "$out/narrow.yaml" --verify
same "the files are the same" pre plan_and_preprocess.log
same_messages "and the messages"
both "once more" 0 "$build/plan_and_preprocess" "$out/raw" -o OUT/pre --override "$out/narrow.yaml"
has "nothing is to be done" '9 cases were up to date' three.txt
rm "$out/three/pre/2d/phantom_004.npy" "$out/three/pre/2d/phantom_007_seg.npy"
check "two cases are missing" 0 ranks 3 "$build/plan_and_preprocess" "$out/raw" -o "$out/three/pre" --override "$out/narrow.yaml"
has "they are made" '7 cases were up to date' stderr
same "and are the same" pre/2d

check "a training" 0 "$build/train" "$out/one/pre" 0,1 -o "$out/results" --epochs 1 --iterations-per-epoch 1 --validation-iterations 1 \
    --batch-size 2 --quiet --save-probabilities
both "cases are predicted" 0 "$build/predict" -i "$out/raw/imagesTr" -m "$out/results" -o OUT/predicted
same "the files are the same" predicted
same_messages "and the messages"
both "the same with probabilities" 0 "$build/predict" -i "$out/raw/imagesTr" -m "$out/results" -o OUT/probable --save-probabilities
same "the files are the same" probable
rm "$out/three/predicted/phantom_003.nii.gz" "$out/one/predicted/phantom_003.nii.gz"
both "a case is missing" 0 "$build/predict" -i "$out/raw/imagesTr" -m "$out/results" -o OUT/predicted
same "it is made" predicted
has "and the others are kept" '8 of 9 cases existed already' three.txt
both "one image into a file" 0 "$build/predict" -i "$out/raw/imagesTr/phantom_001_0000.nii.gz" -i "$out/raw/imagesTr/phantom_001_0001.nii.gz" -m "$out/results" -o OUT/one.nii.gz
same "the file is the same" one.nii.gz
cp -r "$out/results" "$out/other"
printf 'format: 1\nmodels: [{results: %s, folds: [0]}, {results: %s, folds: [1]}]\n' "$out/results" "$out/other" >"$out/models.yaml"
both "two models" 0 "$build/predict" -i "$out/raw/imagesTr" -m "$out/models.yaml" -o OUT/models
same "the files are the same" models

# Else rank 0 could do all by itself: what each process has written, as the kernel counts it for a shell and what that has waited for. Messages are
# written by TCP, too; one without work writes some 2000 bytes.
cat >"$out/counted" <<'S'
"$@" || exit
awk -v rank="$OMPI_COMM_WORLD_RANK" '/^wchar/ { print rank, $2 }' /proc/$$/io >"$COUNTS.$OMPI_COMM_WORLD_RANK"
S
counts() { # WHAT LEAST PROGRAM OPTIONS…: the others have written at least so many bytes
    what=$1 least=$2; shift 2; export COUNTS="$out/counts"; rm -f "$out"/counts.*
    check "$what" 0 env OMPI_MCA_btl=self,tcp mpirun --oversubscribe --bind-to none -n 3 sh "$out/counted" "$@"
    is "and the others have done a part" awk -v least="$least" '$1 > 0 { n += $2 } END { exit !(n > least) }' "$out"/counts.*
}
"$build/make_phantom" -o "$out/many" --cases 60 --size 12x72x80 --channels 2 --quiet 2>/dev/null
counts "60 cases are preprocessed" 1000000 "$build/plan_and_preprocess" "$out/many" -o "$out/many_pre" --override "$out/narrow.yaml" --quiet
counts "60 cases are predicted" 10000 "$build/predict" -i "$out/many/imagesTr" -m "$out/results" -o "$out/many_predicted" --quiet
counts "60 cases are evaluated" 10000 "$build/evaluate" "$out/many/labelsTr" "$out/many_predicted" -o "$out/many_evaluation" --quiet
both "they are evaluated" 0 "$build/evaluate" "$out/raw/labelsTr" "$out/one/predicted" -o OUT/evaluation -d "$out/raw/dataset.json"
same "the files are the same" evaluation
same_messages "and the messages"

# ---- cases that cannot be done
mkdir "$out/images"; cp "$out"/raw/imagesTr/phantom_00[1-5]_*.nii.gz "$out/images"
head -c 300 "$out/raw/imagesTr/phantom_002_0001.nii.gz" >"$out/images/phantom_002_0001.nii.gz"
both "a damaged image" 1 "$build/predict" -i "$out/images" -m "$out/results" -o OUT/damaged
same "the others are predicted" damaged
has "and it is told" 'error: case phantom_002: .*cut off' three.txt
equals "once" "$(grep -c 'error: case' "$out/three.txt")" 1
mkdir -p "$out/bad"; cp -r "$out/raw/." "$out/bad"; cp "$out/images/phantom_002_0001.nii.gz" "$out/bad/imagesTr/"
both "a dataset with one" 1 "$build/plan_and_preprocess" "$out/bad" -o OUT/bad
same_messages "has the same messages"
cp "$out/images/phantom_002_0001.nii.gz" "$out/one/predicted/phantom_002.nii.gz"
both "a prediction like that" 1 "$build/evaluate" "$out/raw/labelsTr" "$out/one/predicted" -o OUT/evaluation2 -d "$out/raw/dataset.json"
same "gives the same files" evaluation2
check "no such model" 1 ranks 3 "$build/predict" -i "$out/images" -m "$out/nothing" -o "$out/none"
equals "is told once" "$(grep -c 'error:' "$out/stderr")" 1
began=$(date +%s)
check "no such images" 1 ranks 3 "$build/predict" -i "$out/nothing" -m "$out/results" -o "$out/none"
equals "are told once" "$(grep -c 'error:' "$out/stderr")" 1
is "and at once" test $(($(date +%s) - began)) -le 2
check "a watched folder" 1 ranks 2 "$build/predict" --watch "$out/images" -m "$out/results" -o "$out/none"
has "is for one process" 'error: --watch is for one process, and 2 were started' stderr
run=exec; ranks 3 "$build/predict" -i "$out/raw/imagesTr" -m "$out/results" -o "$out/three/killed" >/dev/null 2>"$out/stderr" & pid=$!; run=
while kill -0 $pid 2>/dev/null && [ -z "$(find "$out/three/killed" -name 'phantom_*' 2>/dev/null)" ]; do sleep 0.02; done
kill -KILL "$(process_of 2)" 2>/dev/null; wait $pid; status=$?; pid=
[ $status -eq 137 ] || echo "ok - a job that is killed # SKIP it ended before"
check "a job that was killed goes on" 0 ranks 2 "$build/predict" -i "$out/raw/imagesTr" -m "$out/results" -o "$out/three/killed"
is "to the same labels" sh -c 'for f in "$1"/*.nii.gz; do cmp "$f" "$2/${f##*/}" || exit 1; done' - "$out/three/killed" "$out/three/predicted"
