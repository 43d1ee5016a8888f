#!/bin/sh
# overlay BUILD: predict --overlay: a picture of each case, drawn from its image and labels; drawn again only if one has
# changed; nothing else is replaced.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=1

"$build/make_phantom" -o "$out/raw" --cases 5 --size 3x32x36 --quiet 2>/dev/null
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
"$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --override "$out/narrow.yaml" --quiet 2>/dev/null
"$build/train" "$out/pre" 0 -o "$out/a" --epochs 1 --iterations-per-epoch 2 --validation-iterations 1 --batch-size 2 \
    --patch-size 32x32 --quiet --no-validation 2>"$out/training"
mkdir "$out/images"; cp "$out"/raw/imagesTr/*_001_* "$out"/raw/imagesTr/*_002_* "$out/images"
one=phantom_001 two=phantom_002
predict() { "$build/predict" -i "$out/images" -m "$out/a" "$@"; }
is_png() { [ "$(head -c 4 "$1" | tail -c 3)" = PNG ]; }

# ---- which pictures are drawn
check "labels without pictures" 0 predict -o "$out/p"
check "pictures of labels that are kept" 0 predict -o "$out/p" --overlay "$out/v"
has "the labels are kept" '2 of 2 cases existed already' stderr
has "two pictures are drawn" 'overlays: 2 done' stderr
is "they are PNG files" is_png "$out/v/$one.png"
is "one for each case" is_png "$out/v/$two.png"
has "image, labels and names are recorded" "case: $one, state: done, inputs: {${one}_0000.nii.gz: .*labels: .*names: .*}, outputs: {$one.png: " v/predict.yaml
check "the same again" 0 predict -o "$out/p" --overlay "$out/v"
lacks "draws nothing" 'overlays' stderr
before=$(cksum <"$out/v/$two.png")
rm "$out/v/$two.png"
check "a picture that is missing" 0 predict -o "$out/p" --overlay "$out/v"
has "is drawn" 'overlays: 1 done' stderr
equals "as before" "$(cksum <"$out/v/$two.png")" "$before"
check "labels and pictures in one run" 0 predict -o "$out/q" --overlay "$out/w"
equals "are the same" "$(cksum <"$out/w/$two.png")" "$before"
cp "$out/images/${one}_0000.nii.gz" "$out/images/${two}_0000.nii.gz"
check "an image that has changed" 0 predict -o "$out/q" --overlay "$out/w"
has "its picture is drawn again, the other one not" 'overlays: 1 done' stderr
is "and differs" test "$(cksum <"$out/w/$two.png")" != "$before"
cp "$out/raw/imagesTr/${two}_0000.nii.gz" "$out/images"
check "one case into a file" 0 "$build/predict" -i "$out/images/${one}_0000.nii.gz" -m "$out/a" -o "$out/seg.nii.gz" --overlay "$out/x"
is "has its picture" is_png "$out/x/$one.png"

# ---- nothing else is replaced
echo mine >"$out/v/$two.png"
check "a picture that was changed" 1 predict -o "$out/p" --overlay "$out/v"
has "is not replaced" "$two.png is there already and was changed since predict drew it: give another folder with --overlay, or replace it with --overwrite" stderr
mkdir "$out/y"; echo mine >"$out/y/$one.png"
check "a file of the same name" 1 predict -o "$out/r" --overlay "$out/y"
has "is not replaced either" "$one.png is there already and was not drawn by predict" stderr
is "nothing was computed" test ! -e "$out/r"
equals "the file is as it was" "$(cat "$out/y/$one.png")" mine
check "with --overwrite" 0 predict -o "$out/r" --overlay "$out/y" --overwrite
is "it is" is_png "$out/y/$one.png"
check "labels of other options" 1 predict -o "$out/p" --step 0.25 --overlay "$out/z"
has "are refused" 'folder with -o' stderr
is "and leave no empty folder of pictures" test ! -e "$out/z"
check "the folder of the labels" 1 predict -o "$out/p" --overlay "$out/p"
has "is refused" 'is the folder of the labels (-o): give the pictures another one' stderr
check "without a folder for the labels" 2 predict --explain --overlay "$out/z"
has "it is wrong usage" '--overlay needs -o PATH' stderr
echo x >"$out/file"
check "a folder that cannot be made" 1 predict -o "$out/s" --overlay "$out/file/v"
has "is told" '/file: cannot make the folder: there is a file of that name' stderr
is "before anything is computed" test ! -e "$out/s"
mkdir "$out/locked"; chmod 555 "$out/locked"
if touch "$out/locked/try" 2>/dev/null; then rm "$out/locked/try"; echo "ok - a folder without write permission # SKIP root may write"
else
    check "a folder without write permission" 1 predict -o "$out/s" --overlay "$out/locked"
    is "stops the run before anything is computed" test ! -e "$out/s"
fi

# ---- a case without labels
head -c 400 "$out/raw/imagesTr/${two}_0000.nii.gz" >"$out/images/${two}_0000.nii.gz"
check "a broken image" 1 predict -o "$out/t" --overlay "$out/u"
is "the other case has its picture" is_png "$out/u/$one.png"
is "it has none" test ! -e "$out/u/$two.png"
