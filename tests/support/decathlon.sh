# Sourced after tap.sh.
decathlon() { # RAW CASES FOLDER: the first cases of a phantom dataset (at most 9) as a task of the Medical Segmentation Decathlon
    mkdir -p "$3/imagesTr" "$3/labelsTr"
    for i in $(seq "$2"); do
        cp "$1/imagesTr/phantom_00${i}_0000.nii.gz" "$3/imagesTr/phantom_00$i.nii.gz"
        cp "$1/labelsTr/phantom_00$i.nii.gz" "$3/labelsTr"
        printf '%s{"image": "./imagesTr/phantom_00%d.nii.gz", "label": "./labelsTr/phantom_00%d.nii.gz"}' "${comma:-}" "$i" "$i"
        comma=', '
    done >"$3/cases"
    comma=
    printf '{"name": "P", "modality": {"0": "MRI"}, "labels": {"0": "background", "1": "a", "2": "b"}, "numTraining": %d, ' "$2" >"$3/dataset.json"
    printf '"training": [%s], "test": []}\n' "$(cat "$3/cases")" >>"$3/dataset.json"
    rm "$3/cases"
}
