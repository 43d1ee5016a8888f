#!/bin/sh
# folds BUILD: the sources of folds, which file of splits is used, cases that are removed from the dataset or added to it.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1
raw=$out/Dataset700_Folds pre=$out/pre

printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/make_phantom" -o "$raw" --cases 8 --size 2x32x32 --quiet 2>/dev/null
plan() { "$build/plan_and_preprocess" "$raw" -o "$pre" --override "$out/narrow.yaml" -j1 "$@"; }
train() { # FOLD OPTIONS…
    fold=$1; shift
    "$build/train" "$pre" "$fold" -o "$out/results" --epochs 1 --iterations-per-epoch 1 --validation-iterations 1 \
        --batch-size 2 --patch-size 32x32 -j1 "$@"
}
log() { echo "results/fold_$1/training_log.txt"; }
fresh() { rm -rf "$pre" "$out/results"; plan "$@" --quiet; }

# ---- the user's own file beside the planner's
check "five folds are drawn" 0 plan
has "and reported" 'splits: 5 folds by nnU-Net.s rule' stderr
echo '[{"train": ["phantom_001", "phantom_002"], "val": ["phantom_003", "phantom_004"]}]' >"$pre/splits_final.json"
check "splits_final.json counts beside the planner's .yaml" 0 train 0
has "train reports it" '2 training and 2 validation cases: fold 0 of .*splits_final.json, .*splits_final.yaml, drawn .*does not count' stderr
has "and which cases are not used" 'warning: .*in neither of its lists, not used: 4 cases: phantom_005' stderr
has "the log has it too" 'warning: .*in neither of its lists' "$(log 0)"
is "its cases are validated" test -e "$out/results/fold_0/validation/phantom_004.nii.gz"
check "a fold that it does not have is drawn at random" 0 train 1 --no-validation --quiet
has "which is reported with --quiet" 'warning: .*random 80:20 split by seed 12346' stderr
has "and in the log" 'warning: .*random 80:20' "$(log 1)"
check "planning again keeps it" 0 plan
has "and names it" 'splits: from your file .*splits_final.json, 1 fold' stderr
check "--folds cannot count beside it" 1 plan --folds 3
has "which is reported" 'splits_final.json already defines the folds' stderr
check "--new-splits neither" 1 plan --new-splits
has "which is reported, too" 'remove it before --new-splits' stderr
echo '- {train: [phantom_001], val: [phantom_005]}' >"$pre/splits_final.yaml"
rm -rf "$out/results"
check "two that a person wrote and that differ are refused" 1 train 0
has "by both names" 'splits_final.yaml and splits_final.json.*remove the one' stderr
check "by the planner too" 1 plan
rm "$pre/splits_final.json"
check "the changed .yaml alone counts" 0 train 0 --no-validation
has "with its cases" '1 training and 1 validation cases' stderr

# ---- the recorded cases of a run
check "a run on" 0 train 0 --continue --epochs 2 --no-validation --quiet
echo '- {train: [phantom_005], val: [phantom_001, phantom_006]}' >"$pre/splits_final.yaml"
check "does not go on with a case on the other side" 1 train 0 --continue --epochs 3
has "which is named" 'what it validated before, .*2 cases: phantom_005, phantom_001' stderr
check "it is validated on its own cases still" 0 train 0 --val-only
has "which is reported" '1 validation cases, from .*fold_0/split.yaml' stderr
is "and done" test -e "$out/results/fold_0/validation/phantom_005.nii.gz" -a ! -e "$out/results/fold_0/validation/phantom_006.nii.gz"
echo '- {train: [phantom_001, phantom_002], val: [phantom_005]}' >"$pre/splits_final.yaml"
check "it goes on with more to train on" 0 train 0 --continue --epochs 3 --no-validation
has "and reports it" 'warning: the run continues with new training cases: 1 case: phantom_002' stderr

# ---- faults of a file
echo '[{"train": ["phantom_001", "phantom_001", "phantom_002"], "val": ["phantom_002", "phantom_003", "phantom_003"]}]' >"$out/odd.json"
check "--splits takes any file" 0 fresh --splits "$out/odd.json"
has "a case in both lists is named" 'warning: .*in both its train and its val list: 1 case: phantom_002' stderr
has "one that occurs twice is named" 'warning: .*more than once in its train list: 1 case: phantom_001' stderr
has "and those in no fold" 'warning: .*these cases are in no fold: 5 cases: phantom_004' stderr
check "train says the same" 0 train 0 --no-validation
has "of its fold" 'warning: .*fold 0: more than once in its val list: 1 case: phantom_003; validated once' stderr
has "and counts what it uses" '3 training and 2 validation cases' stderr
check "another --splits replaces it" 0 plan --splits "$out/odd.json" --quiet
echo '[{"train": ["phantom_001"], "val": ["phantom_01"]}]' >"$out/odd.json"
check "a case that is not there is refused" 1 fresh --splits "$out/odd.json"
has "by name" 'odd.json: fold 0: the case phantom_01 is not among the dataset.s 8 cases' stderr
is "before anything is computed" test ! -e "$pre/dataset_fingerprint.yaml"
check "--splits with --folds is wrong usage" 2 plan --splits "$out/odd.json" --folds 2

# ---- any number of folds, and groups
check "leave one out" 0 fresh --folds 8
check "its last fold" 0 train 7 --no-validation
has "validates one case" '7 training and 1 validation cases' stderr
check "more folds than cases are refused" 1 fresh --folds 9
has "with both numbers" '8 cases are too few for 9 folds' stderr
printf '\357\273\277case;patient\r\nphantom_001;A\r\nphantom_002;A\r\nphantom_003;A\r\nphantom_004;B\r\nphantom_005;B\r\nphantom_006;"C"\r\nphantom_007;D\r\nphantom_008;E\r\nother;F\r\n' >"$out/groups.csv"
check "folds by groups" 0 fresh --groups "$out/groups.csv" --folds 3
has "a case of the table that is not there is named" 'these cases are not in the dataset: 1 case: other' stderr
check "the fold of a patient" 0 train 0 --no-validation
has "has all of the patient's cases" '5 training and 3 validation cases' stderr
grep -v phantom_008 "$out/groups.csv" >"$out/short.csv"
check "a case without a group is refused" 1 fresh --groups "$out/short.csv" --folds 3
has "by name" 'no group for 1 case: phantom_008' stderr
check "too few groups" 1 fresh --groups "$out/groups.csv" --folds 6
has "are counted" '5 groups of cases are too few for 6 folds' stderr
fresh --groups "$out/groups.csv" --folds 3 2>/dev/null
check "other folds than those that are there need --new-splits" 1 plan --folds 4
has "which is reported" '3 folds were drawn before; for --folds 4 give --new-splits' stderr
check "with it they are drawn" 0 plan --folds 4 --new-splits --quiet

# ---- cases are removed and added
remove() { mkdir -p "$out/away"; mv "$raw/imagesTr/$1_0000.nii.gz" "$out/away/"; mv "$raw/labelsTr/$1.nii.gz" "$out/away/$1.label"; }
bring() { mv "$out/away/$1_0000.nii.gz" "$raw/imagesTr/"; mv "$out/away/$1.label" "$raw/labelsTr/$1.nii.gz"; }
count() { sed -i "s/\"numTraining\": [0-9]*/\"numTraining\": $1/" "$raw/dataset.json"; }
remove phantom_008; count 7
fresh 2>/dev/null
val_of() { sed -n "/val:/,/train:/p" "$pre/splits_final.yaml" | grep -c "$1"; }
cp "$pre/splits_final.yaml" "$out/before.yaml"
remove phantom_002; count 6
check "a case that is gone" 0 plan
has "leaves the folds" 'splits: removed from the folds, because they are no longer in the dataset: 1 case: phantom_002' stderr
has "and the folder" 'removed from .*pre, because .*: 1 case: phantom_002' stderr
is "altogether" sh -c "! ls '$pre/2d' '$pre/gt_segmentations' | grep phantom_002"
is "the others stay where they were" sh -c "grep -v phantom_002 '$out/before.yaml' >'$out/less.yaml'; sed 's/ \\[\\]//' '$pre/splits_final.yaml' | diff '$out/less.yaml' -"
touch "$pre/2d/phantom_009_seg.npy"
check "fold all" 0 train all --quiet
is "knows only the dataset's cases" test "$(ls "$out/results/fold_all/validation" | grep -c nii)" -eq 6
bring phantom_008; count 7
check "a case that is new" 0 plan
has "joins the folds" 'splits: new in the dataset, added to the folds.*: 1 case: phantom_008' stderr
is "of which one validates it" test "$(val_of phantom_008)" -eq 1
cp "$pre/splits_final.yaml" "$out/now.yaml"
check "another time nothing changes" 0 plan
is "no fold" cmp "$out/now.yaml" "$pre/splits_final.yaml"
echo '[{"train": ["phantom_001", "phantom_003"], "val": ["phantom_004"]}]' >"$pre/splits_final.json"
cp "$pre/splits_final.json" "$out/mine.json"
remove phantom_003; count 6
check "a person's own file is not changed for it" 0 plan
is "not at all" cmp "$out/mine.json" "$pre/splits_final.json"
rm -rf "$out/results"
check "train leaves the case out" 0 train 0 --no-validation
has "and reports it" 'warning: .*no longer in the dataset, left out: 1 case: phantom_003' stderr
rm "$pre/cases.yaml"
check "without the list of cases nothing is trained" 1 train all --overwrite
has "it says what to run" 'cases.yaml: missing.*plan_and_preprocess' stderr
