#!/bin/sh
# dicom_predict BUILD: predict and serve take DICOM series and give DICOM-SEG or an image, as of the same image in NIfTI.
build=$1
. tests/support/tap.sh
export OMP_NUM_THREADS=2
if [ ! -x "$build/convert_dicom" ]; then echo "ok - DICOM in predict and serve # SKIP convert_dicom is not built (DCMTK, OpenJPEG)"; exit 0; fi
printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$out/narrow.yaml"
model() { # NAME OPTIONS-OF-make_phantom…
    name=$1; shift
    "$build/make_phantom" -o "$out/$name-raw" --cases 5 --quiet --size 4x36x40 "$@" 2>/dev/null
    "$build/plan_and_preprocess" "$out/$name-raw" -o "$out/$name-pre" --override "$out/narrow.yaml" --quiet 2>/dev/null
    "$build/train" "$out/$name-pre" all -o "$out/$name" --epochs 1 --iterations-per-epoch 2 --validation-iterations 1 \
        --batch-size 2 --patch-size 32x32 --no-validation --quiet 2>/dev/null
}
model one; model both --channels 2
series() { "$build/make_dicom" "$out/$1" "$out/$1.nii" size=40x36x4 spacing=1,1 step=0,0,3 "$2" "$3" "$4"; }
series ct number=4 bits=12 intercept=0; series mr number=5 bits=8 intercept=1
same() { "$build/make_dicom" compare "$1" "$2"; }
labels() { "$build/make_dicom" labels "$1" "$2" "$out/ct.nii"; }

# What the labels must be: those of the image with the axes of the training images, as convert_dicom writes it.
"$build/convert_dicom" "$out/ct" -o "$out/ct-ras.nii.gz" --orientation RAS --quiet
"$build/convert_dicom" "$out/mr" -o "$out/mr-ras.nii.gz" --orientation RAS --quiet
check "the image in NIfTI" 0 "$build/predict" -i "$out/ct-ras.nii.gz" -m "$out/one" -o "$out/want.nii.gz" --quiet
mkdir "$out/two"; cp "$out/ct-ras.nii.gz" "$out/two/x_0000.nii.gz"; cp "$out/mr-ras.nii.gz" "$out/two/x_0001.nii.gz"
check "two channels in NIfTI" 0 "$build/predict" -i "$out/two/x_0000.nii.gz" -m "$out/both" -o "$out/want-both.nii.gz" --quiet

# predict.
check "a series to NIfTI" 0 "$build/predict" -i "$out/ct" -m "$out/one" -o "$out/ct-labels.nii.gz" --quiet
is "the same labels" same "$out/ct-labels.nii.gz" "$out/want.nii.gz"
check "a series to DICOM-SEG" 0 "$build/predict" -i "$out/ct" -m "$out/one" -o "$out/ct.dcm"
lacks "no path in memory is told" '/proc/self/fd' stderr
check "DCMTK reads it" 0 labels "$out/ct.dcm" "$out/back.nii"
is "the same labels in it" same "$out/back.nii" "$out/want.nii.gz"
has "with their names" '^segment 1: bright_organ ' stdout
check "an existing file" 1 "$build/predict" -i "$out/ct" -m "$out/one" -o "$out/ct.dcm" --quiet
has "is kept" 'ct.dcm exists already' stderr
check "two series are two channels" 0 "$build/predict" -i "$out/ct" -i "$out/mr" -m "$out/both" -o "$out/both.nii.gz" --quiet
is "as in NIfTI" same "$out/both.nii.gz" "$out/want-both.nii.gz"
mkdir "$out/study"; cp -r "$out/ct" "$out/mr" "$out/study"
check "two series of one folder" 0 "$build/predict" -i "$out/study" --series 4 --series 5 -m "$out/both" -o "$out/both.dcm" --quiet
check "DCMTK reads them" 0 labels "$out/both.dcm" "$out/back.nii"
is "the same labels of two channels" same "$out/back.nii" "$out/want-both.nii.gz"
check "an overlay" 0 "$build/predict" -i "$out/ct" -m "$out/one" -o "$out/again.dcm" --overlay "$out/pictures" --quiet
is "has the name of the series" test -s "$out/pictures/ct.png"
check "one object" 0 "$build/predict" -i "$out/ct/4_003_0" -m "$out/one" -o "$out/slice.dcm" --quiet
check "several series in a folder" 1 "$build/predict" -i "$out/study" -m "$out/one" -o "$out/none.dcm" --quiet
has "are listed" 'study: 2 series: choose one by --series' stderr
check "too few series" 1 "$build/predict" -i "$out/ct" -m "$out/both" -o "$out/none.dcm" --quiet
has "the message says what is missing" '1 DICOM series, but the model has 2 channels' stderr
check "labels into a folder" 2 "$build/predict" -i "$out/ct" -m "$out/one" -o "$out/folder" --quiet
has "the message says what to give" 'give -o seg.dcm or -o seg.nii.gz' stderr
check "DICOM-SEG of NIfTI" 2 "$build/predict" -i "$out/ct-ras.nii.gz" -m "$out/one" -o "$out/none.dcm" --quiet
has "needs the series" 'give its folder by -i' stderr
check "an input that is not there" 2 "$build/predict" -i "$out/cd" -m "$out/one" -o "$out/none.dcm" --quiet
has "is told" '-i .*/cd: there is no such file' stderr
check "DICOM and NIfTI together" 2 "$build/predict" -i "$out/ct" -i "$out/ct-ras.nii.gz" -m "$out/one" -o "$out/none.nii" --quiet
check "--series without DICOM" 2 "$build/predict" -i "$out/ct-ras.nii.gz" --series 4 -m "$out/one" -o "$out/none.nii" --quiet
rm "$out/mr/5_010_0"
check "a series that lacks a slice" 1 "$build/predict" -i "$out/mr" -m "$out/one" -o "$out/none.dcm" --quiet
has "is refused" 'mr: 1 slice is missing' stderr
is "nothing is written" test ! -e "$out/none.dcm"
printf 'format: 1\nmodels:\n- {results: one, folds: [all]}\n- {results: both, folds: [all]}\n' >"$out/two-models.yaml"
check "several models" 1 "$build/predict" -i "$out/ct" -m "$out/two-models.yaml" -o "$out/none.dcm" --quiet
has "the message says what to give" 'two-models.yaml has 2 models, .*: give its results folder' stderr
check "a volume that is no number" 2 "$build/predict" -i "$out/ct" --volume x -m "$out/one" -o "$out/none.dcm" --quiet
has "is told as it was typed" 'predict: --volume x' stderr
mkdir "$out/alone"; cp "$build/predict" "$out/alone"
check "without convert_dicom" 1 "$out/alone/predict" -i "$out/ct" -m "$out/one" -o "$out/none.dcm" --quiet
has "the message names it" 'the program convert_dicom is not in .*/alone' stderr

# A stand-in for convert_dicom, which does what is typed here before it.
mkdir "$out/beside"; cp "$build/predict" "$out/beside"; [ ! -x "$build/serve" ] || cp "$build/serve" "$out/beside"
free="env SWIN_UMAMBA_SANDBOX=off" # a script is started by the shell, which the sandbox forbids
stand_in() { printf '#!/bin/sh\n%s\nexec "%s" "$@"\n' "$1" "$build/convert_dicom" >"$out/beside/convert_dicom"; chmod +x "$out/beside/convert_dicom"; }
appears() { tries=0; until [ -e "$1" ] || [ $tries -ge 200 ]; do sleep 0.1; tries=$((tries + 1)); done; }
stand_in 'echo "convert_dicom: what is wrong" >&2; echo "Try convert_dicom --help" >&2; exit 2'
check "wrong usage of convert_dicom" 1 $free "$out/beside/predict" -i "$out/ct" -m "$out/one" -o "$out/none.dcm" --quiet
has "its first line is told, not the hint" 'ct: what is wrong$' stderr
stand_in 'awk "BEGIN { for (i = 0; i < 4000; i++) print \"convert_dicom: warning: one of very many warnings\" }" >&2; echo "convert_dicom: error: the cause" >&2; exit 1'
check "an error behind very many warnings" 1 $free "$out/beside/predict" -i "$out/ct" -m "$out/one" -o "$out/none.dcm" --quiet
has "is told" 'error: .*ct: the cause$' stderr
stand_in "case \" \$* \" in *' --labels '*) : >'$out/asked'; sleep 2;; esac"
$free "$out/beside/predict" -i "$out/ct" -m "$out/one" -o "$out/none.dcm" --quiet 2>"$out/said" & pid=$!
appears "$out/asked"; kill -TERM $pid; wait $pid
equals "SIGTERM while DICOM-SEG is written" $? 143; pid=
has "no labels are told" 'no labels were written' said
sleep 3; is "and none come later" test ! -e "$out/none.dcm"

# serve.
if [ ! -x "$build/serve" ]; then echo "ok - DICOM in serve # SKIP it is not built (libmicrohttpd)"; exit 0; fi
for tool in curl zip; do
    if ! command -v $tool >/dev/null; then echo "ok - DICOM in serve # SKIP $tool is not installed"; exit 0; fi
done
(cd "$out" && zip -qr ct.zip ct && zip -qr mr.zip study/mr)
url=http://localhost
start() { # MODEL OPTIONS…
    model=$1; shift; : >"$out/served"
    ${serve:-"$build/serve"} -m "$out/$model" --listen "unix:$out/socket" "$@" >"$out/served" 2>&1 & pid=$!
    tries=0
    until grep -q 'listening on' "$out/served" || [ $tries -ge 200 ]; do sleep 0.1; tries=$((tries + 1)); done
}
stop() { kill -TERM $pid; wait $pid; pid=; }
status() { curl -sS -D "$out/headers" --unix-socket "$out/socket" --max-time 120 -o "$out/answer" -w '%{http_code}' "$@"; }
start one
equals "a zip archive is predicted" "$(status --data-binary "@$out/ct.zip" $url/predict)" 200
has "the answer is DICOM" '^Content-Type: application/dicom' headers
check "DCMTK reads the answer" 0 labels "$out/answer" "$out/back.nii"
is "it has the same labels" same "$out/back.nii" "$out/want.nii.gz"
equals "NIfTI if that is accepted" "$(status -H 'Accept: application/gzip' --data-binary "@$out/ct.zip" $url/predict)" 200
mv "$out/answer" "$out/answer.nii.gz"
is "of the same labels" same "$out/answer.nii.gz" "$out/want.nii.gz"
form=; for file in "$out"/ct/*; do form="$form -F slice=@$file"; done
equals "the slices are files of a form" "$(status $form $url/predict)" 200
check "DCMTK reads that answer" 0 labels "$out/answer" "$out/back.nii"
is "the same labels of the form" same "$out/back.nii" "$out/want.nii.gz"
head -c 2000 "$out/ct.zip" >"$out/cut.zip"
equals "an archive that is cut off" "$(status --data-binary "@$out/cut.zip" $url/predict)" 400
has "the message says so" 'no zip directory at the end' answer
(cd "$out" && zip -qr study.zip study)
equals "two series in an archive" "$(status --data-binary "@$out/study.zip" $url/predict)" 400
has "are listed" '2 series: choose one' answer
lacks "no path in memory is told" '/proc/self/fd' answer
series far number=6 spacing=9,9 step=0,0,30; (cd "$out" && zip -qr far.zip far)
equals "a series with another spacing" "$(status -F "image=@$out/far.zip" $url/predict)" 200
has "the warning names it as the client does" '^Swin-Umamba-Warning: far.zip: ' headers
lacks "no path in memory is in a warning" '/proc/self/fd' headers
lacks "nor in the log" '/proc/self/fd' served
i=0; while [ $i -lt 5 ]; do curl -s --unix-socket "$out/socket" --max-time 0.05 -o /dev/null --data-binary "@$out/ct.zip" $url/predict; i=$((i + 1)); done
equals "it still serves" "$(status --data-binary "@$out/ct.zip" $url/predict)" 200
tries=0; until [ "$(ls -l /proc/$pid/fd | grep -c memfd)" = 0 ] || [ $tries -ge 50 ]; do sleep 0.1; tries=$((tries + 1)); done
equals "files in memory are closed" "$(ls -l /proc/$pid/fd | grep -c memfd)" 0
stop
start both
equals "an archive for each channel" "$(status -F "a=@$out/ct.zip" -F "b=@$out/mr.zip" $url/predict)" 200
check "DCMTK reads the answer of two" 0 labels "$out/answer" "$out/back.nii"
is "it has the labels of two channels" same "$out/back.nii" "$out/want-both.nii.gz"
stop
# All processes of the group get the signal, as from systemctl stop and Ctrl-C; the request is answered.
stand_in "echo \"\$@\" >'$out/arguments'; [ -e '$out/begun' ] || { echo \$\$ >'$out/begun'; kill -STOP \$\$; }"
serve="$free setsid $out/beside/serve"; start one; serve=
status --data-binary "@$out/ct.zip" $url/predict >"$out/status" & client=$!
appears "$out/begun"; kill -TERM -$pid; sleep 0.3; kill -CONT "$(cat "$out/begun")"; wait $client
equals "a series in progress at SIGTERM is answered" "$(cat "$out/status")" 200
wait $pid; equals "and the server ends as it should" $? 0; pid=
has "convert_dicom may use a limited time" ' --cpu-time 600' arguments
start one
"$build/make_dicom" "$out/colours" "$out/colours.nii" size=24x20x1 0028,0004=RGB
(cd "$out" && zip -qr colours.zip colours)
equals "what is not supported" "$(status --data-binary "@$out/colours.zip" $url/predict)" 415
has "the message says what" 'no gray values' answer
sent() { name=$1; shift; "$build/make_dicom" "$out/$name" "$out/$name.nii" size=24x20x1 "$@"; (cd "$out" && zip -qr $name.zip $name); }
sent huge 0028,0010=60000 0028,0011=60000
equals "an image that its file cannot hold" "$(status --data-binary "@$out/huge.zip" $url/predict)" 400
has "is told" 'cannot hold 1 image of 60000x60000 pixels' answer
sent nested nest=30000
equals "very many sequences in sequences" "$(status --data-binary "@$out/nested.zip" $url/predict)" 400
has "are told" 'sequences within sequences' answer
cp -r "$out/ct" "$out/forged"; printf 'junk' >"$out/forged/$(printf 'b\npredict 200: forged')"
(cd "$out" && zip -qr forged.zip forged)
equals "a file whose name has two lines" "$(status --data-binary "@$out/forged.zip" $url/predict)" 200
has "has one in the warning" '^Swin-Umamba-Warning: .*b?predict 200: forged' headers
lacks "and begins no line of the log" '^ *predict 200: forged' served
head -c 900000 /dev/zero >"$out/zeros" # a file of its size could hold as many pixels
sent large syntax=jpeg2000 codestream="$out/zeros" 0028,0010=60000 0028,0011=60000
case $build in
*san) echo "ok - what needs more memory than it may have # SKIP convert_dicom has no limit of memory with a sanitizer" ;;
*) equals "what needs more memory than it may have" "$(status --data-binary "@$out/large.zip" $url/predict)" 413 ;;
esac
stop
