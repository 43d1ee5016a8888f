#!/bin/sh
# evaluate_space BUILD: prediction and reference are compared by their position in space.
build=$1
. tests/support/tap.sh

"$build/make_phantom" -o "$out/set" --cases 2 --size 5x24x20 --quiet
ref=$out/set/labelsTr; turn=$build/turn
mkdir "$out/same" "$out/lps" "$out/asl" "$out/moved" "$out/wide"
for c in phantom_001 phantom_002; do
    "$turn" "$ref/$c.nii.gz" "$out/lps/$c.nii.gz" LPS
    "$turn" "$ref/$c.nii.gz" "$out/asl/$c.nii.gz" ASL
    "$turn" "$ref/$c.nii.gz" "$out/same/$c.nii.gz" RAS 0.001
done
"$turn" "$ref/phantom_001.nii.gz" "$out/moved/phantom_001.nii.gz" LPS 5
"$turn" "$ref/phantom_001.nii.gz" "$out/wide/phantom_001.nii.gz" RAS 0 2

check "axes that run the other way" 0 "$build/evaluate" "$ref" "$out/lps" -o "$out/e1" -j1 --quiet --no-report
has "the mean is 1" '^foreground mean *1.0000 *1.0000' stdout
has "it is reported, also with --quiet" 'warning: case phantom_001: .*LPS.*RAS.*turned' stderr
has "it stands in summary.json" 'notes.*LPS.*RAS' e1/summary.json
check "axes in another order" 0 "$build/evaluate" "$ref" "$out/asl" -o "$out/e2" -j1 --quiet --images "$out/set/imagesTr"
has "the mean is 1, surfaces included" '^foreground mean *1.0000 *1.0000.* 1.0000 *0.000 *0.000 *0.000' stdout
has "the report has its pictures" '<svg' e2/report.html
check "the other way round" 0 "$build/evaluate" "$out/asl" "$ref" -o "$out/e3" -j1 --quiet --no-report -d "$out/set/dataset.json"
has "the mean is 1 again" '^foreground mean *1.0000 *1.0000' stdout
check "a header that differs by rounding" 0 "$build/evaluate" "$ref" "$out/same" -o "$out/e4" -j1 --quiet --no-report
lacks "is not worth a word" 'warning' stderr
check "another place is refused" 1 "$build/evaluate" "$ref" "$out/moved" -o "$out/e5" -j1 --no-report
has "both places are named" 'the reference has origin .*RAS, the prediction origin .*LPS: they show different places' stderr
check "another spacing is refused" 1 "$build/evaluate" "$ref" "$out/wide" -o "$out/e6" -j1 --no-report
has "with both spacings" 'the reference has the spacing (z,y,x) .*, the prediction .*' stderr
mkdir "$out/maps"
for c in phantom_001 phantom_002; do "$turn" "$ref/$c.nii.gz" "$out/maps/$c.nii.gz" PIR; done
check "instance maps are turned too" 0 "$build/evaluate" "$ref" "$out/lps" -o "$out/e7" -j1 --quiet --no-report --instances="$out/maps"
