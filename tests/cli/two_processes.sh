#!/bin/sh
# two_processes BUILD: two programs at the same time with one output: a lock keeps one away, with a message, or neither harms
# the other: then the results are those of runs one after the other.
build=$1
. tests/support/tap.sh
. tests/support/decathlon.sh
case $build in */asan | */tsan) echo "ok - two processes # SKIP the same code runs in other tests: for VARIANT=release"; exit 0 ;; esac
export OMP_NUM_THREADS=1
first= second=
trap 'for p in $pid $first $second; do kill -9 $p 2>/dev/null; done; rm -rf "$out"' EXIT
raw=$out/Dataset900_P
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
run= # exec: in the background the process is the program itself
plan() { $run "$build/plan_and_preprocess" "$raw" -o "$out/$1" --override "$out/narrow.yaml" --quiet; } # PREPROCESSED
train() { # RESULTS FOLD OPTION…
    results=$out/$1 fold=$2; shift 2
    $run "$build/train" "$out/pre" "$fold" -o "$results" --epochs 1 --iterations-per-epoch 2 --validation-iterations 1 \
        --batch-size 2 --patch-size 32x32 --quiet "$@"
}
predict() { # OUT RESULTS OPTION…
    output=$out/$1 results=$out/$2; shift 2
    $run "$build/predict" -i "$raw/imagesTr" -o "$output" -m "$results" --quiet "$@"
}
evaluate() { $run "$build/evaluate" "$raw/labelsTr" "$out/$1" -o "$out/scores" --quiet; } # PREDICTIONS
labels() { (cd "$out/$1" && cksum ./*.nii.gz); }                                              # PREDICTIONS
files() { (cd "$out/$1" && find . -type f ! -name '.*' | LC_ALL=C sort | xargs cksum); }      # FOLDER
weights() { numbers "$out/$1/checkpoint_final.safetensors"; }                                 # RESULTS/FOLD

# Both at once: the functions one and two.
both() {
    (one) >"$out/stdout_1" 2>"$out/said_1" & first=$!
    (two) >"$out/stdout_2" 2>"$out/said_2" & second=$!
    wait $first; of_one=$?; wait $second; of_two=$?; first= second=
}
one_alone() { # WHAT PATTERN: one of them does it, the other is refused with this message; $done: which one
    both
    case $of_one$of_two in
    01) done=1 refused=2;;
    10) done=2 refused=1;;
    *) echo "not ok - $1: one does it (status $of_one and $of_two)"; cat "$out/said_1" "$out/said_2"; done=1 refused=2; return;;
    esac
    has "$1: one is refused" "$2" said_$refused
}
both_do() { # WHAT
    both
    equals "$1: both succeed" "$of_one $of_two" "0 0"
    [ "$of_one$of_two" = 00 ] || cat "$out/said_1" "$out/said_2"
}
held() { # FOLDER LOCK COMMAND…: while another process holds the lock
    lock=$1/$2; shift 2
    : >"$out/held"
    (flock 9; echo >"$out/held"; exec sleep 60) 9>"$lock" & pid=$!
    until [ -s "$out/held" ]; do sleep 0.02; done
    "$@"; ended=$?
    kill $pid; wait $pid 2>/dev/null; pid=
    return $ended
}

"$build/make_phantom" -o "$raw" --cases 6 --size 2x32x32 --quiet 2>/dev/null
check "alone: plan_and_preprocess" 0 plan pre
check "alone: train" 0 train r 0 --save-probabilities; check "alone: another fold" 0 train r 1 --save-probabilities
check "alone: another network" 0 train s 0 --seed 7 --save-probabilities
check "alone: predict" 0 predict p r --save-probabilities; check "alone: with the other" 0 predict q s --save-probabilities

# plan_and_preprocess, train
one() { plan pre2; }; two() { plan pre2; }
both
case $of_one$of_two in
00|01|10) echo "ok - plan_and_preprocess twice";;
*) echo "not ok - plan_and_preprocess twice: status $of_one and $of_two"; cat "$out/said_1" "$out/said_2";;
esac
equals "the cases are those of one run" "$(files pre2/2d)" "$(files pre/2d)"
check "it can be used" 0 plan pre2
check "plan_and_preprocess beside another one" 1 held "$out/pre" .lock plan pre
has "is refused" 'pre is in use by another plan_and_preprocess, which writes it, or by train, which reads it: wait' stderr
check "train beside plan_and_preprocess" 1 held "$out/pre" .lock train t 0
has "is refused" 'pre: plan_and_preprocess is writing to it: wait until it is done' stderr
one() { train t 0; }; two() { train t 0; }
one_alone "train twice, the same fold" 't/fold_0.*\(another run is writing there\|contains a training run\)'
equals "the weights are those of one run" "$(weights t/fold_0)" "$(weights r/fold_0)"
rm -r "$out/t"
one() { train t 0; }; two() { train t 1; }
both_do "train twice, two folds"
equals "fold 0 is as alone" "$(weights t/fold_0)" "$(weights r/fold_0)"
equals "fold 1, too" "$(weights t/fold_1)" "$(weights r/fold_1)"
one() { train t 0 --val-only; }; two() { train t 0 --val-only; }
both
case $of_one$of_two in 00|01|10) v=0;; *) v=1; cat "$out/said_1" "$out/said_2";; esac
equals "--val-only twice" $v 0
equals "the validation is as alone" "$(labels t/fold_0/validation)" "$(labels r/fold_0/validation)"

# Beside a training: what it reads, and its folders.
{ run=exec; train long 0 --iterations-per-epoch 1000000 2>"$out/long_said"; } & pid=$!
until grep -q 'started from' "$out/long/fold_0/training_log.txt" 2>/dev/null || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
check "plan_and_preprocess beside train" 1 plan pre
has "is refused" 'by train, which reads it' stderr
check "predict into the results folder" 0 predict long r
equals "has the labels as alone" "$(labels long)" "$(labels p)"
check "predict into the fold's folder" 1 predict long/fold_0 r
has "is refused" 'long/fold_0: another run is writing there' stderr
one() { "$build/find_best_configuration" "$out/r" -f 0,1 -o "$out/best.yaml" --quiet; }; two() { one; }
both_do "find_best_configuration twice, beside train"
cp "$out/best.yaml" "$out/best_twice.yaml"; one >/dev/null 2>&1
is "its file is as alone" cmp "$out/best.yaml" "$out/best_twice.yaml"
kill -TERM $pid; wait $pid; equals "the training was not disturbed" $? 143; pid=
has "all is saved" 'all is saved in' long_said

# predict, ensemble
one() { predict a r; }; two() { predict a r; }
both_do "predict twice, the same model"
equals "the labels are as alone" "$(labels a)" "$(labels p)"
one() { predict a r --overwrite; }; two() { predict a r --overwrite; }
both_do "both with --overwrite"
equals "the labels are as alone" "$(labels a)" "$(labels p)"
check "nothing is left to do" 0 predict a r
is "all cases are recorded as done" test "$(grep -c 'state: done' "$out/a/predict.yaml")" -eq 6
one() { predict b r; }; two() { predict b s; }
one_alone "predict twice, two models" '/b.* \(another run with another model\|holds predictions that were made by another model\)'
[ $done = 1 ] && alone=p || alone=q
equals "all labels are of one of them" "$(labels b)" "$(labels $alone)"
into_file() { "$build/predict" -i "$raw/imagesTr/phantom_001_0000.nii.gz" -o "$out/one.$1" -m "$out/$2" --quiet $3; } # ENDING RESULTS
one() { into_file nii.gz r; }; two() { into_file nii.gz s; }
one_alone "predict twice, one file" 'one.nii.gz exists already'
[ $done = 1 ] && alone=p || alone=q
is "the file is of one of them" cmp "$out/one.nii.gz" "$out/$alone/phantom_001.nii.gz"
pair() { cat "$out/one.mhd" "$out"/one.*raw | cksum; }
into_file mhd r 2>/dev/null; of_r=$(pair); into_file mhd s --overwrite 2>/dev/null; of_s=$(pair)
one() { into_file mhd r --overwrite; }; two() { into_file mhd s --overwrite; }
both_do "predict twice, a header and its voxels, with --overwrite"
now=$(pair); is "both files are of one of them" [ "$now" = "$of_r" -o "$now" = "$of_s" ]
check "--overwrite, while another run writes" 1 held "$out/a" .runs.lock predict a s --overwrite
has "is refused" '/a: another run is writing there' stderr
equals "nothing has changed" "$(labels a)" "$(labels p)"
check "and not, when it has ended" 0 predict a s --overwrite
equals "the labels are those of the other model" "$(labels a)" "$(labels q)"
average() { "$build/ensemble" "$out/p" "$out/q" -o "$out/$1" --quiet; }
check "alone: ensemble" 0 average e
one() { average f; }; two() { average f; }
both_do "ensemble twice"
equals "the labels are as alone" "$(labels f)" "$(labels e)"
one() { average g; }; two() { predict g r; }
one_alone "ensemble and predict" '/g.* \(another run with another model\|holds predictions that were made by \(another model\|other models\)\|does not record\)'
[ $done = 1 ] && alone=e || alone=p
equals "all labels are of one of them" "$(labels g)" "$(labels $alone)"
mkdir "$out/in"
"$build/predict" --watch "$out/in" -o "$out/w" -m "$out/r" --quiet 2>"$out/watch" & pid=$!
until [ -e "$out/w/.watch.lock" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
check "predict beside a watcher, the same model" 0 predict w r
equals "the labels are as alone" "$(labels w)" "$(labels p)"
kill -TERM $pid; wait $pid; equals "the watcher was not disturbed" $? 0; pid=

# evaluate: all files are of one of them.
for k in p q; do evaluate $k >/dev/null 2>&1; files scores >"$out/scores_$k"; rm -r "$out/scores"; done
one() { evaluate p; }; two() { evaluate q; }
for round in 1 2 3; do
    both_do "evaluate twice"
    files scores >"$out/now"
    is "all files are of one of them" sh -c "cmp '$out/now' '$out/scores_p' || cmp '$out/now' '$out/scores_q'"
done

# convert_weights, convert_dataset, make_phantom, pretrain
from=$out/r/fold_0/checkpoint_final.safetensors
"$build/convert_weights" "$from" "$out/alone.pth" --quiet 2>/dev/null
one() { "$build/convert_weights" "$from" "$out/w.pth" --quiet --overwrite; }; two() { one; }
both_do "convert_weights twice, one file"
is "the file is as alone" cmp "$out/alone.pth" "$out/w.pth"
into_locked() { flock "$out" "$build/convert_weights" "$from" "$out/locked.pth" --quiet; }
check "the user holds the folder's lock" 0 into_locked
is "the file is as alone" cmp "$out/alone.pth" "$out/locked.pth"
rm "$out/w.pth"
one() { "$build/convert_weights" "$from" "$out/w.pth" --quiet; }
one_alone "convert_weights twice, one file, without --overwrite" 'w.pth: exists already'
is "the file is as alone" cmp "$out/alone.pth" "$out/w.pth"
decathlon "$raw" 6 "$out/Task01_P"
check "alone: convert_dataset" 0 "$build/convert_dataset" msd "$out/Task01_P" "$out/converted" --quiet
one() { "$build/convert_dataset" msd "$out/Task01_P" "$out/twice" --quiet; }; two() { one; }
one_alone "convert_dataset twice" 'twice.*: \(exists already\|another run is writing there\)'
equals "the dataset is as alone" "$(files twice)" "$(files converted)"
is "and nothing is left beside it" test ! -e "$out/.twice.convert"
phantom() { "$build/make_phantom" -o "$out/$1" --cases 8 --size 2x32x32 --seed "$2" --quiet; } # FOLDER SEED
phantom seed_1 1; phantom seed_2 2
one() { phantom made 1; }; two() { phantom made 2; }
one_alone "make_phantom twice" 'made.*: \(another run is writing there\|exists already\)\|made/dataset.json exists already'
equals "the dataset is of one of them" "$(files made)" "$(files seed_$done)"
encoder() {
    "$build/pretrain" "$raw/imagesTr" -o "$out/$1" --epochs 1 --iterations-per-epoch 2 --batch-size 2 --patch-size 32x32 \
        --override "$out/encoder.yaml" --quiet
}
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1]}\n' >"$out/encoder.yaml"
check "alone: pretrain" 0 encoder alone.safetensors
one() { encoder e.safetensors; }; two() { encoder e.safetensors; }
one_alone "pretrain twice" 'e_pretraining: another run is writing there\|exists already\|contains a training run'
equals "the encoder is as alone" "$(numbers "$out/e.safetensors")" "$(numbers "$out/alone.safetensors")"
mkdir "$out/compared"
check "compare_networks beside another one" 1 held "$out/compared" .lock "$build/compare_networks" "$raw" nnunet --epochs 1 -o "$out/compared"
has "is refused" 'compared is in use by another compare_networks' stderr

# serve: a socket has one server, also where that of a server that was killed is left.
if [ ! -x "$build/serve" ]; then echo "ok - serve twice # SKIP it is not built (libmicrohttpd)"; else
    listen() { exec "$build/serve" -m "$out/r" -f 0 --listen "unix:$out/socket"; }
    alive() { kill -0 "$1" 2>/dev/null; }
    settled() { # one of them listens, and the other has ended; or both have
        if alive $pid && alive $second; then false
        elif alive $pid || alive $second; then heard
        fi
    }
    heard() { grep -q 'listening on' "$out/said_1" "$out/said_2"; }
    : >"$out/said_1"; : >"$out/said_2"
    (listen) 2>"$out/said_1" & pid=$!
    until heard || ! alive $pid; do sleep 0.05; done
    check "serve beside another one" 1 timeout 60 "$build/serve" -m "$out/r" -f 0 --listen "unix:$out/socket"
    has "is refused" 'socket: another server listens there' stderr
    kill -9 $pid; wait $pid 2>/dev/null; pid=
    for round in 1 2 3; do
        : >"$out/said_1"; : >"$out/said_2"
        (listen) 2>"$out/said_1" & pid=$!
        (listen) 2>"$out/said_2" & second=$!
        until settled; do sleep 0.05; done
        if alive $pid; then stays=$pid goes=$second; else stays=$second goes=$pid; fi
        wait $goes; equals "two that start together: one is refused" $? 1
        is "the other one has the socket" test -S "$out/socket"
        kill -9 $stays; wait $stays 2>/dev/null; pid= second=
    done
fi
is "nothing temporary is left" sh -c "! find '$out' -name '*.tmp-*' | grep -q ."
