# Sourced by tests of unusual numbers, after tap.sh: datasets, $set, that are changed from a plain one, and the four programs
# on them. Messages are those that --quiet leaves.
export OMP_NUM_THREADS=1
set=
"$build/make_phantom" -o "$out/base" --cases 5 --size 2x32x32 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"

begin() { # NAME: a copy of the dataset
    set=$out/$1; mkdir "$set"
    cp -r "$out/base/imagesTr" "$out/base/labelsTr" "$out/base/dataset.json" "$set"
}
paint() { "$build/paint" "$1" "$@" || echo "not ok - paint $*"; } # FILE RULE…, in place
image() { n=$1; shift; paint "$set/imagesTr/phantom_00${n}_0000.nii.gz" "$@"; } # NUMBER RULE…
label() { n=$1; shift; paint "$set/labelsTr/phantom_00$n.nii.gz" "$@"; }
images() { for i in 1 2 3 4 5; do image $i "$@"; done; } # RULE…
labels() { for i in 1 2 3 4 5; do label $i "$@"; done; }
channel() { sed -i "s/\"0\": *\"[^\"]*\"/\"0\": \"$1\"/" "$set/dataset.json"; } # NAME

plan() { "$build/plan_and_preprocess" "$set" -o "$set/pre" --override "$out/narrow.yaml" --verify --quiet; }
train() { # [FOLD]
    "$build/train" "$set/pre" "${1:-0}" -o "$set/results" --epochs 1 --iterations-per-epoch 2 --validation-iterations 1 \
        --batch-size 2 --patch-size 32x32 --quiet
}
predict() {
    "$build/predict" -i "$set/imagesTr" -o "$set/predicted" -m "$set/results" --overlay "$set/pictures" --quiet
}
evaluate() { "$build/evaluate" "$set/labelsTr" "$set/predicted" -o "$set/evaluated" --quiet; }

warns() { # PROGRAM PATTERN FILE-IN-THE-SET: on the terminal, and in what stays
    has "$1 warns" "$1.*: warning: .*$2" "said_$1"
    has "also in $(basename "$3")" "$2" "$(basename "$set")/$3"
}
finite() { # FILE.csv FIRST LAST: there are rows, and these columns of all rows have numbers
    awk -F, -v first="$2" -v last="$3" 'NR > 1 { for (i = first; i <= last; i++) if ($i !~ /^-?[0-9.]+(e[-+]?[0-9]+)?$/) bad = 1 }
        END { exit bad || NR < 2 }' "$1"
}
scores() { # per_case.csv: Dice follows from the counts; it is nan only without any voxel
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        { tp = $at["TP"]; all = $at["n_pred"] + $at["n_ref"]; dice = $at["Dice"]
          if (tp + $at["FN"] != $at["n_ref"] || tp + $at["FP"] != $at["n_pred"]) bad = 1
          if (all ? dice == "nan" || (dice - 2 * tp / all) ^ 2 > 1e-12 : dice != "nan") bad = 1 }
        END { exit bad || NR < 2 }' "$1"
}
# All four programs, with status 0. Losses are numbers; all cases are predicted with labels of dataset.json on the references'
# grids, since evaluate fails for another grid and tells of other labels; counts are numbers.
whole() { # [FOLD]
    name=$(basename "$set")
    check "$name: plan_and_preprocess" 0 plan; cp "$out/stderr" "$out/said_plan"
    check "$name: train" 0 train "${1:-0}"; cp "$out/stderr" "$out/said_train"
    is "$name: the losses are numbers" finite "$set/results/fold_${1:-0}/metrics.csv" 2 4
    check "$name: predict" 0 predict; cp "$out/stderr" "$out/said_predict"
    check "$name: evaluate" 0 evaluate; cp "$out/stderr" "$out/said_evaluate"
    equals "$name: all cases are evaluated" "$(grep -c '"prediction_file"' "$set/evaluated/summary.json")" \
        "$(ls "$set/labelsTr" | wc -l | tr -d ' ')"
    lacks "$name: all labels are those of the dataset" 'not evaluated' "$name/evaluated/summary.json"
    is "$name: the scores are those of the counts" scores "$set/evaluated/per_case.csv"
    is "$name: each case has its pictures" test "$(ls "$set/pictures" | grep -c 'png$')" -eq "$(ls "$set/labelsTr" | wc -l)" \
        -a -s "$set/pre/verify/sheet_001.png"
    lacks "$name: the report's drawings are of numbers" ' \(c*[xy][12]*\|r\|d\|points\|width\|height\|transform\)="[^"]*\(nan\|inf\)' "$name/evaluated/report.html"
    if command -v python3 >/dev/null; then
        is "$name: summary.json is JSON" python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$set/evaluated/summary.json"
    fi
}
