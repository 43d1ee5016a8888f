#!/bin/sh
# compare_networks BUILD: trains, evaluates and compares networks; goes on after being stopped and killed; its table.
build=$1
. tests/support/tap.sh
case $build in */asan | */tsan) echo "ok - compare_networks # SKIP the programs that it runs have tests of their own: for VARIANT=release"; exit 0 ;; esac
export OMP_NUM_THREADS=1
"$build/make_phantom" -o "$out/Dataset900_Phantom" --cases 10 --size 3x40x44 --quiet 2>/dev/null
raw=$out/Dataset900_Phantom
small='configurations: {2d: {batch_size: 2}}
training: {iterations_per_epoch: 3, validation_iterations: 1, freeze_encoder_epochs: 1'
printf '%s}\n' "$small" >"$out/small.yaml"
printf '%s, pretrained: "none.pth"}\n' "$small" >"$out/broken.yaml"
printf '%s}\nnetwork: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' "$small" >"$out/narrow.yaml"
run= # in the background: exec, so that the process is the program itself
compare() { # OUT OPTION…
    output=$1; shift
    $run "$build/compare_networks" "$raw" swin_umamba_d nnunet -o "$output" --override "$out/small.yaml" \
        --override "swin_umamba_d=$out/narrow.yaml" --epochs 3 "$@"
}

# Wrong usage.
wrong() { # WHAT STATUS PATTERN COMMAND…
    what=$1 want=$2 pattern=$3; shift 3
    check "$what" "$want" "$build/compare_networks" "$@" -o "$out/none"
    has "with the reason" "$pattern" stderr
}
wrong "an unknown network" 2 'unknown network swin_umamba_e.*nearest name is swin_umamba_d' "$raw" swin_umamba_e --epochs 1
wrong "a network twice" 2 'nnunet is given twice' "$raw" nnunet nnunet --epochs 1
wrong "no length" 2 'either --cpu-minutes or --epochs' "$raw" nnunet
wrong "two lengths" 2 'either --cpu-minutes or --epochs' "$raw" nnunet --epochs 1 --cpu-minutes 1
wrong "weights without an encoder" 2 'none of the networks has an encoder' "$raw" nnunet --epochs 1 --pretrained "$raw/dataset.json"
wrong "weights that are not there" 1 'none.pth' "$raw" swin_umamba_d --epochs 1 --pretrained "$out/none.pth"
wrong "fold all without a test set" 2 'give --test' "$raw" nnunet --epochs 1 --fold all
wrong "no dataset" 1 'nowhere/dataset.json does not exist' "$out/nowhere" nnunet --epochs 1
wrong "no images of a test set" 1 'imagesTs is no folder: --test needs' "$raw" nnunet --epochs 1 --test
mkdir "$raw/imagesTs"
wrong "no labels of a test set" 1 'labelsTs is no folder: --test needs' "$raw" nnunet --epochs 1 --test
rmdir "$raw/imagesTs"
wrong "plan keys of a network that is not compared" 2 'override unetr=.*small.yaml has no effect' "$raw" nnunet --epochs 1 \
    --override "unetr=$out/small.yaml"
wrong "a path with =" 1 'none/a=b.yaml' "$raw" nnunet --epochs 1 --override "$out/none/a=b.yaml"
wrong "a reference that is no row" 1 'reference unetr: there is no such row' "$raw" nnunet --epochs 1 --reference unetr
is "nothing was made" test ! -e "$out/none/nnunet"

# An undisturbed comparison, and what it writes.
check "two networks are compared" 0 compare "$out/a" --reference nnunet
cp "$out/stdout" "$out/table"
is "the table is printed and written" cmp "$out/table" "$out/a/comparison.md"
has "with a row for each" '^| `swin_umamba_d` | .* | 9 | ' table
has "and the reference" '^| `nnunet` | .* | reference | .* | reference |$' table
has "it says how" 'Dataset900_Phantom, fold 0, fp32, 3 epochs .* 2 cases .*against nnunet' table
has "labels have their names" 'bright_organ: Dice | bright_organ: NSD | dark_organ: Dice' table
cell() { sed -n "s/^| \`$1\` |//p" "$out/table" | head -1 | cut -d'|' -f"$2" | tr -d ' *'; }
equals "Dice and its interval are those of evaluate" "$(cell nnunet 5)" "$(awk -F'[:,}]' '/^foreground_mean:/ { found = 1 }
    found && /Dice:/ { printf "%.4f(%.3fto%.3f)", $3, $5, $7; exit }' "$out/a/nnunet/evaluation/summary.yaml")"
"$build/evaluate" --compare "$out/a/nnunet/evaluation" "$out/a/swin_umamba_d/evaluation" --quiet >"$out/compared"
equals "p is that of evaluate --compare" "$(cell swin_umamba_d 6)" \
    "$(awk '/^Dice/ { in_dice = 1 } in_dice && /^mean/ { printf "%.3f", $5; exit }' "$out/compared")"
"$build/network_info" nnunet -p 40x48 -n 3 --quiet >"$out/info"
equals "costs are those of network_info" "$(cell nnunet 1) $(cell nnunet 2)" \
    "$(awk '/^parameters:/ { printf "%.1fM ", $2 / 1e6 } /^multiply_adds:/ { printf "%sG", $2 }' "$out/info")"
has "LaTeX has both rows" '^swin\\_umamba\\_d & .* \\\\$' a/comparison.tex
equals "and balanced columns" "$(grep -c '\\\\$' "$out/a/comparison.tex")" \
    "$(grep '\\\\$' "$out/a/comparison.tex" | awk -F' & ' 'NF == 7' | wc -l)"
has "the page leads to the reports" 'href="nnunet/evaluation/report.html"' a/comparison.html
is "which are there" test -s "$out/a/nnunet/evaluation/report.html"
is "arrays are on disk once" test "$(stat -c %h "$out/a/preprocessed/nnunet/2d/phantom_001.npy")" -eq 2

# The same command again.
check "once more" 0 compare "$out/a" --reference swin_umamba_d
lacks "nothing is done twice" 'build.*/train' stderr
has "but another reference is possible" '^| `swin_umamba_d` | .* | reference |' stdout
check "fold 00 is fold 0" 0 compare "$out/a" --fold 00
check "other settings" 1 compare "$out/a" --precision bf16
has "are refused" 'swin_umamba_d was made with other settings or data: precision: fp32, now bf16; .*--overwrite' stderr

# A metric that is undefined for the reference.
summary=$out/a/nnunet/evaluation/summary.json
cp "$summary" "$out/summary"
awk '/"[0-9]+": \{/ { label = $1 } label == "\"2\":" && /"Dice"/ { sub(/: [^,]*/, ": NaN") } 1' "$out/summary" >"$summary"
check "a label without Dice" 0 compare "$out/a" --reference nnunet
has "is not the best" '^| `swin_umamba_d` | [^|]* | [^|]* | \*\*[^|]* | [^|]* |$' stdout
has "has no mean" '^| `nnunet` | [^|]* | [^|]* | – | [^|]* |$' stdout
lacks "and no line" '[MH]nan' a/comparison.html
cp "$out/summary" "$summary"

# Stopped and killed, continued each time. The programs that a killed one had started end, too.
weights() { numbers "$1/$2/results/fold_0/checkpoint_final.safetensors"; }
begun() { # SIGNAL OUT FILE OPTION…: starts the comparison, and sends the signal once OUT/FILE is there
    signal=$1 file=$2/$3; output=$2; shift 3
    { run=exec; compare "$output" --quiet "$@"; } >"$out/stdout" 2>"$out/stderr" & pid=$!
    until [ -e "$file" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.02; done
    kill -"$signal" $pid; wait $pid; status=$?; pid=
}
for file in preprocessed/swin_umamba_d/plans.yaml swin_umamba_d/results/plans.yaml swin_umamba_d/evaluation \
    nnunet/results/fold_0/checkpoint_latest.safetensors nnunet/results/fold_0/checkpoint_final.safetensors; do
    begun KILL "$out/b" "$file"
    flock -w 60 "$out/b/.lock" true
done 2>/dev/null
check "killed at many moments, it goes on" 0 compare "$out/b" --reference nnunet
equals "to the same weights" "$(weights "$out/b" swin_umamba_d) $(weights "$out/b" nnunet)" \
    "$(weights "$out/a" swin_umamba_d) $(weights "$out/a" nnunet)"
without_time() { cut -d'|' -f1-5,7- "$1"; }
equals "and the same table" "$(without_time "$out/b/comparison.md")" "$(without_time "$out/table")"
rm -r "$out/b"
begun TERM "$out/b" swin_umamba_d/results/plans.yaml
equals "SIGTERM ends it" $status 143
has "it says how to go on" 'interrupted; all is kept: the same command continues' stderr
is "no program goes on" flock -n "$out/b/.lock" true

# A second row for networks with an encoder; the others stand.
start=$out/a/swin_umamba_d/results/fold_0/checkpoint_final.safetensors
check "weights to start from" 0 compare "$out/a" --pretrained "$start"
lacks "train only the new row" 'compare_networks: nnunet: ' stderr
has "which is in the table" '^| `swin_umamba_d+pretrained` |' stdout
lacks "there is none for the other" '^| `nnunet+pretrained` |' stdout

# A training that fails.
check "a network that fails" 1 compare "$out/c" --override "nnunet=$out/broken.yaml" --reference nnunet
has "does not stop the others" '^| `swin_umamba_d` |' stdout
has "the end names it and its command" 'error: nnunet: train failed: .*/train .*/c/preprocessed/nnunet 0 .*--epochs=3' stderr
has "so does the table" 'Not in the table, because a program failed: nnunet (train)' stdout
has "which has another reference" 'warning: the reference nnunet failed: .* against swin_umamba_d' stderr
check "corrected" 1 compare "$out/c"
has "it is another setting" 'nnunet was made with other settings or data: override: ' stderr
check "it replaces what was there" 0 compare "$out/c" --overwrite
has "and has all rows" '^| `nnunet` |' stdout
is "without remains" test ! -e "$out/c/nnunet.earlier"
begun TERM "$out/c" nnunet.earlier --overwrite
has "replacing, stopped, says how to go on" 'all is kept: the same command without --overwrite continues' stderr
check "which it does" 0 compare "$out/c"
has "for all rows" 'compare_networks: nnunet: .*/train' stderr
is "to the end" test ! -e "$out/c/nnunet.earlier" -a ! -e "$out/c/swin_umamba_d.earlier"

# A dataset that changed.
rm -r "$out/c/nnunet"
mkdir "$out/case"; mv "$raw"/*Tr/phantom_001* "$out/case"
cp "$raw/imagesTr/phantom_002_0000.nii.gz" "$raw/imagesTr/phantom_001_0000.nii.gz"
cp "$raw/labelsTr/phantom_002.nii.gz" "$raw/labelsTr/phantom_001.nii.gz"
check "a dataset that changed after a row was made" 1 compare "$out/c"
refused="c/swin_umamba_d was made with other settings or data: cases: .*, now .*--overwrite"
has "is refused" "$refused" stderr
lacks "before anything runs" 'plan_and_preprocess' stderr
cp "$out/case/phantom_001_0000.nii.gz" "$raw/imagesTr"; cp "$out/case/phantom_001.nii.gz" "$raw/labelsTr"
check "changed back, it is trained" 0 compare "$out/c"
mv "$raw"/labelsTr/phantom_001* "$out/case"; cp "$raw/labelsTr/phantom_002.nii.gz" "$raw/labelsTr/phantom_001.nii.gz"
check "a label that changed when all rows are finished" 1 compare "$out/c"
has "is noticed" "$refused" stderr
cp "$out/case/phantom_001.nii.gz" "$raw/labelsTr"
cp "$out/c/nnunet/settings.yaml" "$out/settings"
sed -i '/^cases:/d' "$out/c/nnunet/settings.yaml"
check "a row that has no record of its cases" 1 compare "$out/c"
has "is refused" 'c/nnunet was made .* cases: none, now 10 with names and content' stderr
cp "$out/settings" "$out/c/nnunet/settings.yaml"
check "all as before, the table is made" 0 compare "$out/c"

# Folders that no comparison has made.
for folder in nnunet nnunet.earlier; do
    for overwrite in "" --overwrite; do
        mkdir -p "$out/foreign/$folder"; echo kept >"$out/foreign/$folder/text"
        check "a foreign folder $folder $overwrite" 1 compare "$out/foreign" $overwrite
        has "is refused" "foreign/$folder is neither empty nor a row" stderr
        is "before anything starts" test ! -e "$out/foreign/preprocessed"
        equals "and stays" "$(cat "$out/foreign/$folder/text")" kept
        rm -r "$out/foreign"
    done
done

# The test set, fold all, by CPU time.
mkdir "$raw/imagesTs" "$raw/labelsTs"
cp "$raw"/imagesTr/phantom_00[1-3]* "$raw/imagesTs"; cp "$raw"/labelsTr/phantom_00[1-3]* "$raw/labelsTs"
sed -i 's/bright_organ/bright|organ/' "$raw/dataset.json"
mv "$raw" "$out/Dataset900_{a}~^\\"; raw="$out/Dataset900_{a}~^\\"
mkdir "$raw/imagesTs/other"
check "a test set, with a folder in it" 0 "$build/compare_networks" "$raw" swin_umamba_d -o "$out/t" --override "$out/narrow.yaml" --fold all \
    --test --cpu-minutes 0.01 --quiet
has "is predicted" 'fold all, test set, fp32, 0.01 CPU minutes .* 3 cases' stdout
has "Markdown has a label's name" ' bright\\|organ: Dice |' t/comparison.md
has "LaTeX has a folder's name" 'Dataset900._.{a.}.textasciitilde{}.textasciicircum{}.textbackslash{}, fold all' t/comparison.tex
has "and the cost's" '& multiply-adds &' t/comparison.tex
if command -v pdflatex >/dev/null; then
    printf '\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\\input{%s}\\end{document}\n' \
        t/comparison.tex >"$out/page.tex"
    check "LaTeX compiles it" 0 sh -c 'cd "$0" && pdflatex -interaction=nonstopmode -halt-on-error page' "$out"
    lacks "and it fits the page" 'Overfull' page.log
else echo "ok - LaTeX compiles it # SKIP no pdflatex"; fi
for page in md tex html; do
    has "comparison.$page says that the cases are few" 'few cases: below 20 .* With 3 cases p cannot be below 0.25' t/comparison.$page
done

# A test set that changed.
test_set() { # OPTION…
    "$build/compare_networks" "$raw" swin_umamba_d -o "$out/t" --override "$out/narrow.yaml" --fold all --test \
        --cpu-minutes 0.01 --quiet "$@"
}
check "the same test set" 0 test_set
for file in imagesTs/phantom_001_0000.nii.gz labelsTs/phantom_001.nii.gz; do
    cp "$raw/$file" "$out/case"; cp "$raw/$(echo $file | sed 's/_001/_002/')" "$raw/$file"
    check "another content of $file" 1 test_set
    has "is refused" "t/swin_umamba_d was made .*: ${file%%/*}: 3 with .*, now 3 with .*--overwrite" stderr
    cp "$out/case/${file#*/}" "$raw/$file"
done
mv "$raw/labelsTs/phantom_003.nii.gz" "$out/case"
check "a label less" 1 test_set
has "is refused" 'labelsTs: 3 with .*, now 2 with' stderr
mv "$out/case/phantom_003.nii.gz" "$raw/labelsTs"
for number in 04 05 06 07 08 09 10 11 12 13 14 15 16 17 18 19 20; do
    cp "$raw/imagesTs/phantom_001_0000.nii.gz" "$raw/imagesTs/phantom_1${number}_0000.nii.gz"
    cp "$raw/labelsTs/phantom_001.nii.gz" "$raw/labelsTs/phantom_1$number.nii.gz"
done
check "20 cases" 0 "$build/compare_networks" "$raw" swin_umamba_d -o "$out/u" --override "$out/narrow.yaml" --test --epochs 1 \
    --quiet
has "are compared" 'Means over 20 cases' stdout
lacks "and are not few" 'few cases' stdout
rm "$raw"/imagesTs/phantom_1* "$raw"/labelsTs/phantom_1*

# A dataset that changes meanwhile: a script in a program's place changes it first.
mkdir "$out/bin"
for program in compare_networks plan_and_preprocess train predict evaluate; do cp "$build/$program" "$out/bin"; done
changing() { # PROGRAM FILE: PROGRAM changes FILE of the dataset, by packing it again
    mv "$out/bin/$1" "$out/bin/real"; cp "$raw/$2" "$out/case"
    printf '#!/bin/sh\ngzip -dc "%s" | gzip -1 >"%s"\nexec "%s" "$@"\n' "$out/case/${2#*/}" "$raw/$2" "$out/bin/real" \
        >"$out/bin/$1"
    chmod +x "$out/bin/$1"
    check "$2 changes before $1" 1 "$out/bin/compare_networks" "$raw" swin_umamba_d -o "$out/m" --epochs 1 --test \
        --override "$out/narrow.yaml"
    mv "$out/bin/real" "$out/bin/$1"; cp "$out/case/${2#*/}" "$raw/$2"
}
changing plan_and_preprocess labelsTr/phantom_001.nii.gz
has "is noticed" 'has changed since this comparison started (cases): put the files back' stderr
lacks "before training" '/train' stderr
changing evaluate labelsTs/phantom_001.nii.gz
has "is noticed" 'has changed since this comparison started (labelsTs: 3 with .*, now 3 with .*): put the files back' stderr
is "and the row is not finished" test ! -e "$out/m/swin_umamba_d/evaluation"
check "changed back, it is" 0 "$build/compare_networks" "$raw" swin_umamba_d -o "$out/m" --epochs 1 --test \
    --override "$out/narrow.yaml" --quiet
