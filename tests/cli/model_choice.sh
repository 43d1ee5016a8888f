#!/bin/sh
# model_choice BUILD: find_best_configuration and ensemble with folders that contradict each other, lack files, or were moved.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
"$build/make_phantom" -o "$out/raw" --cases 6 --size 3x32x36 --quiet 2>/dev/null
labels=$out/raw/labelsTr
set -- "$labels"/*.nii.gz
best() { "$build/find_best_configuration" "$@" -o "$out/inference.yaml" --quiet; }
fold() { # RESULTS FOLD CASE…: a validated fold whose predictions are the references
    results=$out/$1; fold=$2; shift 2
    mkdir -p "$results/fold_$fold/validation"
    cp "$@" "$results/fold_$fold/validation"
    [ -e "$results/dataset.json" ] || cp "$out/raw/dataset.json" "$results"
    score "$results" "$fold"
}
score() { # RESULTS FOLD
    "$build/evaluate" "$labels" "$1/fold_$2/validation" -o "$out/scores" --only-overlap --allow-missing --quiet \
        -d "$1/dataset.json" >"$out/table" 2>&1
    cp "$out/scores/summary.json" "$1/fold_$2/validation"
}

# Folds.
fold all all "$@"
check "fold_all alone" 1 best "$out/all"
has "is reported" 'there is only fold_all.*trained on.*train folds 0 to 4' stderr
check "by its name" 2 best "$out/all" -f all
mkdir "$out/none"; cp "$out/raw/dataset.json" "$out/none"
check "no fold" 1 best "$out/none"
has "has another message" 'none: there is no fold' stderr
fold many 3 "$1" "$2"; fold many 170 "$3" "$4"; fold many all "$5"
check "folds of any number" 0 best "$out/many"
has "are all taken, without fold_all" 'folds: \[3, 170\]' inference.yaml
check "without --quiet" 0 "$build/find_best_configuration" "$out/many" -o "$out/inference.yaml"
has "it says by how many cases" 'compared by folds 3, 170: 4 cases' stderr
fold broken 0 "$1"; fold broken 1 "$2"
ln -sf nowhere "$out/broken/fold_1/validation/summary.json"
check "a fold whose folder cannot be read" 1 best "$out/broken"
has "is not left out" 'fold_1/validation/summary.json' stderr

# Results that moved.
mkdir -p "$out/tree/models" "$out/tree/choice"
mv "$out/many" "$out/tree/models"
check "a choice" 0 "$build/find_best_configuration" "$out/tree/models/many" -o "$out/tree/choice/inference.yaml" --quiet
has "names the way to its results" 'results: "\?../models/many"\?$' tree/choice/inference.yaml
mv "$out/tree" "$out/moved"
predict() { "$build/predict" -i "$out/raw/imagesTr" -o "$out/x" -m "$@" --quiet; }
check "moved together they are found" 1 predict "$out/moved/choice/inference.yaml"
lacks "and no folder is missed" 'is not there' stderr
mv "$out/moved/choice/inference.yaml" "$out"
check "apart they are not" 1 predict "$out/inference.yaml"
has "the message says which, and what to write" 'inference.yaml: the results folder of model 1 does not exist: .*models/many.*results:' stderr

# Labels in no case; labels that mean something else.
fold right 0 "$@"; fold same 0 "$@"
for results in right same; do
    sed -i 's/"dark_organ": 2/&, "tumour": 3/' "$out/$results/dataset.json"
    score "$out/$results" 0
done
check "a label in no case" 0 best "$out/right" "$out/same"
has "is no reason for no mean" '/right  *1\.0000  <- best' stdout
has "and reported" 'warning: label tumour is in no validation case' stderr
gunzip -c "$1" >"$out/invented.nii"
printf '\003' | dd of="$out/invented.nii" bs=1 seek=400 conv=notrunc 2>/dev/null
gzip -c "$out/invented.nii" >"$out/same/fold_0/validation/$(basename "$1")"
score "$out/same" 0
check "a label that one network invents" 0 best "$out/same" "$out/right"
has "counts for none" '/same  *0\.99\|/same  *1\.0000' stdout
has "and is said" 'warning: label tumour is in no reference.*only some networks' stderr
meaning() { # WHAT PATTERN SED-EXPRESSION
    sed "$3" "$out/right/dataset.json" >"$out/same/dataset.json"
    check "$1" 1 best "$out/right" "$out/same"
    has "is named" "$2" stderr
}
meaning "exchanged labels" "'bright_organ' is 1 in .*right/dataset.json, 2 in .*same/dataset.json" \
    's/"bright_organ": 1/"bright_organ": 2/; s/"dark_organ": 2/"dark_organ": 1/'
meaning "another name" "'tumour' is 3 in .*right/dataset.json, and is not in .*same" 's/tumour/cyst/'
meaning "one label more" "'cyst' is 4 in .*same/dataset.json, and is not in .*right" 's/"tumour": 3/&, "cyst": 4/'
check "an output that is a folder" 1 "$build/find_best_configuration" "$out/right" -o "$out/none"
has "is said before the work" 'this is a folder.*inference.yaml' stderr

# Ensembles.
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --quiet 2>/dev/null
"$build/train" "$out/pre" 0 -o "$out/a" --epochs 1 --iterations-per-epoch 1 --validation-iterations 1 --batch-size 2 \
    --patch-size 32x32 --quiet --no-validation 2>"$out/training"
check "probabilities" 0 "$build/predict" -i "$out/raw/imagesTr" -o "$out/pa" -m "$out/a" --save-probabilities --no-tta \
    --quiet
cp -r "$out/pa" "$out/pb"
ensemble() { rm -rf "$out/mean"; "$build/ensemble" "$@" -o "$out/mean"; }
check "two folders" 0 ensemble "$out/pa" "$out/pb"
has "all cases" 'average: 6 done' stderr
mv "$out/pb/phantom_002.npy" "$out/kept.npy"
check "a case that the second lacks" 1 ensemble "$out/pa" "$out/pb"
has "is that case's error" 'case phantom_002: its probabilities are not in .*/pb' stderr
has "and not done" 'average: 5 done, 1 failed' stderr
check "a case that the first lacks" 1 ensemble "$out/pb" "$out/pa"
has "is none the less" 'case phantom_002: its probabilities are not in .*/pb' stderr
ln -s nowhere "$out/pb/phantom_002.npy"
check "a case whose files cannot be read" 1 ensemble "$out/pb" "$out/pa"
has "is named" 'phantom_002.npy' stderr
rm "$out/pb/phantom_002.npy"; mv "$out/kept.npy" "$out/pb/phantom_002.npy"
sed -i 's/"bright_organ": 1/"bright_organ": 2/; s/"dark_organ": 2/"dark_organ": 1/' "$out/pb/dataset.json"
check "labels that mean something else" 1 ensemble "$out/pa" "$out/pb"
has "are named" "label 'bright_organ' is 1 in .*pa/dataset.json, 2 in .*pb/dataset.json" stderr
rm "$out/pb/dataset.json"
check "labels of no known meaning" 1 ensemble "$out/pa" "$out/pb"
has "are refused" 'pb/dataset.json does not exist' stderr
check "unless they are given" 0 ensemble "$out/pa" "$out/pb" -d "$out/raw/dataset.json"
cp "$out/pa/dataset.json" "$out/pb"
sed "s/phantom_003_0000.nii.gz: [0-9a-f]*/phantom_003_0000.nii.gz: abcdef/" \
    "$out/pa/predict.yaml" >"$out/pb/predict.yaml"
check "another image of the same name" 1 ensemble "$out/pa" "$out/pb"
has "is named" 'case phantom_003: its predictions were made from different images: phantom_003_0000' stderr

# Existing outputs.
cp "$out/pa/predict.yaml" "$out/pb"
again() { "$build/ensemble" "$out/pa" "$out/pb" -o "$out/mean" "$@"; }
check "an ensemble" 0 ensemble "$out/pa" "$out/pb"
check "again" 0 again
has "keeps all" '6 of 6 cases existed already' stderr
cp "$out/pb/phantom_001.npy" "$out/pb/phantom_003.npy"
check "with probabilities that predict did not write there" 1 again
has "that case is refused" 'case phantom_003: .*pb/phantom_003.npy was changed since predict wrote it' stderr
hash=$(sed -n 's/.*phantom_001.npy: \([0-9a-f]*\).*/\1/p' "$out/pb/predict.yaml")
sed -i "s/phantom_003.npy: [0-9a-f]*/phantom_003.npy: $hash/" "$out/pb/predict.yaml"
check "with other probabilities of a case" 0 again
has "predicts that case again" '5 of 6 cases existed already' stderr
cp "$1" "$out/mean/phantom_002.nii.gz"
check "corrected labels" 1 again
has "are not replaced" 'case phantom_002: .*phantom_002.nii.gz was changed since ensemble wrote it' stderr
is "indeed" cmp "$1" "$out/mean/phantom_002.nii.gz"
check "unless it is wanted" 0 again --overwrite
printf 'format: 1\nmodels: [{results: a, folds: [0]}]\npostprocessing: [[1, 2]]\n' >"$out/post.yaml"
check "another post-processing" 1 again -p "$out/post.yaml"
has "is no reason to keep labels" 'mean holds predictions.*post-processing: none, now 1+2' stderr
rm "$out/mean/predict.yaml"
check "labels of unknown origin" 1 again
has "are not kept" 'phantom_001.nii.gz exists already.*does not record' stderr
check "a folder twice" 0 "$build/ensemble" "$out/pa" "$out/pa/" -o "$out/twice" --quiet
has "is reported" 'warning: .*pa/ is given twice' stderr
check "a folder that is not there" 1 "$build/ensemble" "$out/nowhere" "$out/pa" -o "$out/twice"
has "is named as such" 'nowhere: it does not exist; expected a folder' stderr
check "a first folder without dataset.json" 1 "$build/ensemble" "$out/a/fold_0" "$out/pa" -o "$out/twice"
has "is reported with what it lacks" 'fold_0/dataset.json does not exist, .*-d' stderr
check "an output that is an input" 1 "$build/ensemble" "$out/pa" "$out/pb" -o "$out/pa/." --overwrite
has "is refused" 'one of the folders that are averaged' stderr

# One allocation fails: an error, or the same result; nothing is left out without a message.
failing() { FAIL_MIN=1 LD_PRELOAD="$out/shim.so" "$@" >/dev/null 2>"$out/stderr"; } # COMMAND…
result_of() { cat "$1"/*.nii.gz "$1"/*.json "$1"/*.html "$1"/inference.yaml 2>/dev/null | cksum; } # FOLDER
sample() { # COUNT COMMAND…: writes to $out/one
    rm -rf "$out/one"; mkdir "$out/one"
    what=$(basename "$2"); tries=$1; shift
    FAIL_COUNT="$out/count" failing "$@" || echo "not ok - $what without a fault: $(cat "$out/stderr")"
    wanted=$(result_of "$out/one"); all=$(cat "$out/count"); at=0; errors=0; bad=
    while [ $at -lt "$tries" ]; do
        number=$((all * (2 * at + 1) / (2 * tries))); at=$((at + 1))
        rm -rf "$out/one"; mkdir "$out/one"
        FAIL_AT=$number failing "$@"; status=$?
        case $status in
        0) [ "$wanted" = "$(result_of "$out/one")" ] || bad="$bad $number: another result with status 0;";;
        1) errors=$((errors + 1));;
        *) bad="$bad $number: status $status;";;
        esac
    done
    is "$what: a failed allocation is an error, or harmless ($errors errors of $tries)" test -z "$bad"
    [ -z "$bad" ] || echo "# $bad"
    is "some were felt" test $errors -gt 0
}
shim() { ${CC:-cc} -shared -fPIC -O1 tests/faults/allocation_shim.c -o "$out/shim.so" 2>/dev/null; }
case $build in */asan|*/tsan) sanitizer=1;; *) sanitizer=;; esac
if [ -n "$sanitizer" ] || ! shim; then
    echo "ok - failed allocations # SKIP no compiler, or a sanitizer with an allocator of its own"
    exit 0
fi
cp -r "$out/right" "$out/twin"
sample 24 "$build/ensemble" "$out/pa" "$out/pa" -o "$out/one"
sample 24 "$build/find_best_configuration" "$out/right" "$out/twin" -o "$out/one/inference.yaml" -j1
sample 24 "$build/evaluate" "$labels" "$out/pa" -o "$out/one" --images "$out/raw/imagesTr" -j1 --quiet
