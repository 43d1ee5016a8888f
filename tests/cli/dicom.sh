#!/bin/sh
# dicom BUILD: convert_dicom: series as images, in every transfer syntax and orientation, by their places; what is no series; labels as
# DICOM-SEG, read back by DCMTK. Geometry is compared with dcm2niix where that is installed.
build=$1
. tests/support/tap.sh
if [ ! -x "$build/convert_dicom" ]; then echo "ok - convert_dicom # SKIP it is not built (DCMTK, OpenJPEG)"; exit 0; fi
convert() { "$build/convert_dicom" "$@" --quiet; }
same() { "$build/make_dicom" compare "$1" "$2"; }
make() { # NAME KEY=VALUE…: a series in $out/NAME, and the image that it must become
    name=$1; shift
    "$build/make_dicom" "$out/$name" "$out/$name.want.nii" "$@" || echo "not ok - a series $name is made"
}
becomes() { # WHAT NAME KEY=VALUE…
    text=$1; shift; make "$@"
    check "$text" 0 convert "$out/$1" -o "$out/$1.nii"
    is "$text: values and places" same "$out/$1.nii" "$out/$1.want.nii"
}

# Transfer syntaxes and kinds of values.
for syntax in explicit implicit big deflated rle jpeg jpegls jpeg2000; do
    becomes "$syntax" $syntax syntax=$syntax
done
for syntax in explicit rle jpegls jpeg2000; do
    becomes "$syntax, signed, 16 bits" signed-$syntax syntax=$syntax signed=1 bits=16
done
becomes "signed, 12 bits, an intercept" signed12 signed=1 intercept=-1024
becomes "8 bits" bits8 bits=8
becomes "a slope of 0.5" slope slope=0.5 intercept=3.25
becomes "MONOCHROME1" inverse invert=1

# Orientations; slices are sorted by their places.
becomes "sagittal" sagittal row=0,1,0 column=0,0,-1 step=-3,0,0
becomes "coronal" coronal row=1,0,0 column=0,0,-1 step=0,3,0
becomes "oblique" oblique row=0.8,0.6,0 column=-0.36,0.48,-0.8 step=-0.96,1.28,1.2
becomes "from above to below" reversed step=0,0,-2.5
becomes "one slice" single size=24x20x1 step=0,0,2
becomes "a tilted gantry" tilt step=0,0.5,2.5 0018,1120=11.3
has "is told" 'tilted by 11.3 degrees (gantry tilt)' stderr
for syntax in explicit jpeg jpeg2000; do
    becomes "an enhanced object, $syntax" enhanced-$syntax enhanced=1 syntax=$syntax
done

# The same by dcm2niix, which turns the axes. It does not read deflated files and JPEG-LS here, and differs for signed values of 12 bits
# and MONOCHROME1 (docs/dicom.md).
if command -v dcm2niix >/dev/null; then
    for name in explicit implicit big rle jpeg jpeg2000 signed-explicit signed-jpeg2000 bits8 slope sagittal coronal oblique reversed single enhanced-explicit; do
        mkdir "$out/other"; dcm2niix -b n -z n -f x -o "$out/other" "$out/$name" >"$out/said" 2>&1
        is "as dcm2niix: $name" same "$out/$name.nii" "$out/other/x.nii"
        rm -r "$out/other"
    done
else echo "ok - as dcm2niix # SKIP it is not installed"; fi

# Directions of the axes.
check "RAS" 0 convert "$out/oblique" -o "$out/ras.nii" --orientation RAS
is "has the same voxels" same "$out/ras.nii" "$out/oblique.want.nii"
check "an orientation of the list is kept" 0 convert "$out/explicit" -o "$out/kept.nii" --orientation RAS,LPS
is "as it is" cmp "$out/kept.nii" "$out/explicit.nii"
check "what is no orientation" 1 convert "$out/explicit" -o "$out/bad.nii" --orientation LLP
has "is told" 'LLP: expected the directions' stderr

# Which series.
make two; make two number=5 step=0,0,1 0008,103e=thin
check "two series in a folder" 1 convert "$out/two" -o "$out/two.nii"
has "are listed" '2 series: choose one by --series UID or NUMBER: 4 1.2.826.0.1.3680043.9.9999.1.4 (CT, 6 images, phantom 4), 5 ' stderr
check "the list" 0 convert "$out/two" --list
has "has UID, number, kind, images, description" '^1.2.826.0.1.3680043.9.9999.1.5  5  CT  6 images  thin$' stdout
check "one is chosen by its number" 0 convert "$out/two" --series 5 -o "$out/two.nii"
is "it is that one" same "$out/two.nii" "$out/two.want.nii"
check "by its UID" 0 convert "$out/two" --series 1.2.826.0.1.3680043.9.9999.1.5 -o "$out/two-uid.nii"
is "the same" cmp "$out/two.nii" "$out/two-uid.nii"
check "a series that is not there" 1 convert "$out/two" --series 6 -o "$out/none.nii"
has "is told" 'there is no series 6, but 2 series' stderr
mkdir "$out/deep"; cp -r "$out/explicit" "$out/deep/IMAGES"; cp Makefile "$out/deep"; cp "$out/explicit/4_003_0" "$out/deep/copy"
check "folders in folders, other files, a copy" 0 convert "$out/deep" -o "$out/deep.nii"
is "make the same image" same "$out/deep.nii" "$out/explicit.want.nii"
has "the copy is told" '1 file is a copy of another one' stderr
has "and the other file" '1 file is no DICOM and is not read: .*Makefile' stderr

make mixed; make mixed number=5 0028,1053=0; make mixed number=6
for file in "$out"/mixed/6_*; do head -c 1200 "$file" >"$out/cut-head"; cp "$out/cut-head" "$file"; done
"$build/make_dicom" "$out/fine" "$out/fine.want.nii"
check "a series beside damaged ones" 0 convert "$out/mixed" --series 4 -o "$out/mixed.nii"
is "is read" same "$out/mixed.nii" "$out/fine.want.nii"
check "all are listed" 0 convert "$out/mixed" --list
has "those with faults, too" '^1.2.826.0.1.3680043.9.9999.1.6  ' stdout
check "a damaged one" 1 convert "$out/mixed" --series 5 -o "$out/none.nii"
has "is refused" '5_0.*: RescaleSlope 0' stderr
check "one that is cut off" 1 convert "$out/mixed" --series 1.2.826.0.1.3680043.9.9999.1.6 -o "$out/none.nii"
has "is refused as such" '6_0.*: cut off or damaged' stderr
make numberless 0020,0011=-; make numberless number=5 0020,0011=-
check "series without numbers" 1 convert "$out/numberless" -o "$out/none.nii"
has "are listed without" 'NUMBER: - 1.2.826.0.1.3680043.9.9999.1.4 ' stderr
make escape "0008,103e=$(printf 'red\033[31m')"
check "a description with codes for a terminal" 0 convert "$out/escape" --list
has "is shown without" 'red?\[31m' stdout
make lines "0008,103e=$(printf 'red\nblue')"
check "a description of two lines" 0 convert "$out/lines" --list
has "is shown as one" 'red?blue' stdout
mkdir "$out/forged"; cp -r "$out/explicit" "$out/forged"
printf 'junk' >"$out/forged/$(printf 'b\nconvert_dicom: warning: forged')"
check "a name of two lines" 0 convert "$out/forged" -o "$out/forged.nii"
has "is one in messages" '/forged/b?convert_dicom: warning: forged$' stderr
mkdir -p "$out/levels/1/2/3/4/5/6/7/8"; cp "$out"/explicit/* "$out/levels"; cp "$out/explicit/4_003_0" "$out/levels/1/2/3/4/5/6/7/8"
check "a folder that is too deep" 0 convert "$out/levels" -o "$out/levels.nii"
has "is told" '1 folder is more than 8 levels deep and not read; the first: .*/7/8$' stderr

# Several volumes.
make times 0020,0100=1; make times 0020,0100=2 instances=100 intercept=7
check "two points in time" 1 convert "$out/times" -o "$out/times.nii"
has "are listed" '2 volumes, which differ in the position in time: choose one by --volume N: 1 (1; 6 images), 2 (2; 6 images)' stderr
check "one is chosen" 0 convert "$out/times" --volume 2 -o "$out/times.nii"
is "it is that one" same "$out/times.nii" "$out/times.want.nii"
check "a volume that is not there" 1 convert "$out/times" --volume 3 -o "$out/none.nii"
has "is told" 'there is no volume 3: the series has 2 volumes' stderr
make echoes 0018,0081=2.5; make echoes 0018,0081=10 instances=100
make echoes 0018,0081=2.5 instances=200 '0008,0008=ORIGINAL\PRIMARY\PHASE'; make echoes 0018,0081=10 instances=300 '0008,0008=ORIGINAL\PRIMARY\PHASE'
check "two attributes" 1 convert "$out/echoes" -o "$out/echoes.nii"
has "tell volumes apart" '4 volumes, which differ in EchoTime and ImageType' stderr
make decimals 0018,0081=2.5; make decimals 0018,0081=10 2:0018,0081=10.0 instances=100
check "a number in two forms" 1 convert "$out/decimals" -o "$out/decimals.nii"
has "is one value" '2 volumes, which differ in EchoTime' stderr
make scout; make scout size=10x10x1 row=0,1,0 column=0,0,-1 instances=100 '0008,0008=ORIGINAL\PRIMARY\LOCALIZER'
check "a localizer in the series" 1 convert "$out/scout" -o "$out/scout.nii"
has "is a volume of its own" '(ORIGINAL\\PRIMARY\\LOCALIZER; 1 image)' stderr

# What is no volume: the message names the file and says what is wrong.
refused() { # WHAT PATTERN KEY=VALUE…
    text=$1 pattern=$2; shift 2
    rm -rf "$out/bad"; make bad "$@"
    check "$text" 1 convert "$out/bad" -o "$out/bad.nii"
    has "$text: the message" "$pattern" stderr
}
refused "a missing slice" '1 slice is missing between .*4_010_0 and .*4_024_0: they are 5 mm apart' omit=3
refused "uneven slices" 'unevenly spaced: 3.5 mm between .*4_010_0 and .*4_017_0' '3:0020,0032=-12.5\-30\46.25'
refused "two images of one place" '4_010_0 and .*4_017_0 are two images of one place' '3:0020,0032=-12.5\-30\42.75'
refused "a slice aside" '4_017_0 is .* pixels off (ImagePositionPatient)' '3:0020,0032=-11\-30\45.25'
refused "another direction" 'lie in different directions (ImageOrientationPatient)' '2:0020,0037=0\1\0\0\0\-1'
refused "another spacing" 'PixelSpacing of 0.75' '2:0028,0030=0.8\0.5'
refused "no place" '4_003_0: ImagePositionPatient is missing' 0020,0032=-
refused "half a place" 'ImagePositionPatient is not complete' '0020,0032=1\2'
refused "directions that are none" 'a direction of length 2' '0020,0037=2\0\0\0\1\0'
refused "no spacing" 'no PixelSpacing' 0028,0030=-
refused "a slope of 0" 'RescaleSlope 0' 0028,1053=0
refused "a slope with a comma" "4_003_0: RescaleSlope is '2,5': expected a number" 0028,1053=2,5
refused "an intercept that is no number" "RescaleIntercept is '-1024 HU': expected a number" "0028,1052=-1024 HU"
refused "a place with commas" "ImagePositionPatient is not complete: '1,5.2,5.3,5', expected three numbers" '0020,0032=1,5\2,5\3,5'
refused "a slope that is too large" '4_003_0: RescaleSlope 1e+300 and RescaleIntercept 0 give no values that float32 can hold' 0028,1053=1e300
refused "one that is too small" '4_003_0: RescaleSlope 1e-300 ' 0028,1053=1e-300
refused "an intercept of a slice that is too large" '4_0[0-9]*_0: RescaleSlope 1 and RescaleIntercept -1e+300 ' 1:0028,1052=-1e300
refused "a spacing that is too large" '4_003_0: PixelSpacing is .1e300.1e300.: expected two numbers, each a number from 1e-9 to 1e9' '0028,0030=1e300\1e300'
refused "a place that is too far" 'not finite in float32' '0020,0032=1e300\0\0' size=24x20x1
refused "colours" '4_003_0: its pixels are no gray values' 0028,0004=RGB
refused "a mosaic" 'a mosaic, several slices in one image' '0008,0008=ORIGINAL\PRIMARY\MOSAIC'
refused "several frames without places" 'several frames without functional groups' 0028,0008=2
refused "very many of them" 'several frames without functional groups' 0028,0008=1000000
check "no room is made for them" 1 convert "$out/bad" -o "$out/bad.nii" --memory 256M
has "the message is the same" 'several frames without functional groups' stderr
refused "bits that contradict" 'BitsAllocated 16, BitsStored 12 and HighBit 20' 0028,0102=20
refused "pixels that are cut off" '4_003_0' 0028,0010=200

# What a header claims is compared with the bytes of the file, before memory is taken for it.
printf 'no image' >"$out/junk"
large="0028,0010=10000 0028,0011=10000"
for syntax in explicit implicit big deflated; do
    refused "a large image in a small file, $syntax" "4_003_0: cut off or damaged: a file of [0-9]* bytes cannot hold 1 image of 10000x10000 pixels of 16 bits" syntax=$syntax $large
done
for syntax in rle jpeg jpegls jpeg2000; do
    refused "a large image in a small file, $syntax" 'cannot hold 1 image of 10000x10000 pixels' syntax=$syntax codestream="$out/junk" $large
done
for syntax in explicit rle jpeg2000; do
    refused "a large enhanced object, $syntax" 'cannot hold 6 images of 2000x2000 pixels' syntax=$syntax enhanced=1 codestream="$([ $syntax = explicit ] || echo "$out/junk")" 0028,0010=2000 0028,0011=2000
done
refused "one row too many" '4_003_0' 0028,0010=21
for syntax in explicit deflated rle jpeg jpegls jpeg2000; do
    becomes "an empty image, $syntax" blank-$syntax syntax=$syntax blank=1 size=512x512x2
done
# The same for what the compressed pixels claim: a progressive JPEG, whose decoder would keep all of it, and tiles of one pixel.
zeros() { dd if=/dev/zero bs=1 count=$1 2>/dev/null; }
{
    printf '\377\330\377\333\000\103\000'; zeros 64 | tr '\000' '\001'
    printf '\377\302\000\013\010\352\140\352\140\001\001\021\000'
    printf '\377\304\000\024\000\001'; zeros 16
    printf '\377\332\000\010\001\001\000\000\000\000\000\377\331'
} >"$out/progressive"
refused "a JPEG with a size of its own" 'JPEG of 60000x60000 pixels where the header has 24x20' syntax=jpeg bits=8 codestream="$out/progressive"
jpeg2000() { # SIZE-OF-TILES MAIN-HEADER PART-HEADER
    printf '\377\117\377\121\000\051\000\000\000\000\001\000\000\000\000\377'; zeros 8
    printf "$1$1"; zeros 8
    printf '\000\001\007\001\001'; printf "$2"'\377\134\000\004\100\100\377\220\000\012\000\000\000\000\000\000\000\001'
    printf "$3"'\377\223'; zeros 64; printf '\377\331'
}
coding='\377\122\000\014\000\000\000\001\000\000\004\004\000\001' precincts='\377\122\000\015\001\000\000\001\000\000\004\004\000\001\000'
jpeg2000 '\000\000\000\001' "$coding" '' >"$out/tiles"
jpeg2000 '\000\000\001\000' "$precincts" '' >"$out/precincts"
jpeg2000 '\000\000\001\000' "$coding" "$precincts" >"$out/parts"
refused "a JPEG 2000 of very many tiles" 'JPEG 2000: cut off or damaged: it has 65280 tiles in [0-9]* bytes' syntax=jpeg2000 bits=8 size=256x255x1 codestream="$out/tiles"
refused "one of very many precincts" 'JPEG 2000: cut off or damaged: it has 65280 precincts in [0-9]* bytes' syntax=jpeg2000 bits=8 size=256x255x1 codestream="$out/precincts"
refused "one of them in a tile's header" 'JPEG 2000 with tiles that have a coding of their own' syntax=jpeg2000 bits=8 size=256x255x1 codestream="$out/parts"

# Sequences within sequences: DCMTK, which reads them, has no limit but its stack.
for syntax in explicit implicit big deflated; do
    becomes "40 sequences, one in another, $syntax" nested-$syntax syntax=$syntax nest=40
    refused "30000 of them, $syntax" '4_003_0: cut off or damaged: sequences within sequences' syntax=$syntax nest=30000 size=24x20x1
done
becomes "what is behind the pixels is not read" behind behind=30000
becomes "nor are zeros" padded zeros=3000000

# DCMTK looks for the place of each element from the last one on.
for syntax in explicit implicit big deflated; do
    becomes "200 elements in falling order, $syntax" falling-$syntax syntax=$syntax falling=200
    refused "60000 of them, $syntax" '4_003_0: cut off or damaged: hundreds of elements are there twice or not in the order' syntax=$syntax falling=60000 size=24x20x1
done

# The same two elements out of order in each of many items take no time.
items=0800401153510000ffffffff$(awk 'BEGIN {for (i = 0; i < 600; i++) printf "feff00e010000000090002004c4f0000090001004c4f0000"}')feffdde000000000
becomes "600 items with two elements in falling order" items begin=$items
# What the file begins with, and it ends within an element of 1 GiB.
for begin in 'an item that ends:feff0de000000000' 'an item that begins:feff00e000000000' 'the pixels:e07f10004f57000000000000'; do
    refused "a dataset that begins with ${begin%:*}" '4_003_0: cut off or damaged' size=24x20x1 begin=${begin#*:}
done
for kind in 554e 5554; do # UN, UT
    claim=20000e0055490400312e320008006000${kind}000000000040
    refused "an element of 1 GiB in a small file" '4_003_0: cut off or damaged' size=24x20x1 begin=$claim
    check "its list" 0 convert "$out/bad" --list --memory 256M
    has "tells it" 'warning: .*4_003_0: cut off or damaged' stderr
    equals "and shows nothing of the memory" "$(cut -c 1-24 "$out/stdout")" '1.2  -  -  1 image  '
done
becomes "a slope whose type is not known" slope-un slope=2 0028,1053=- begin=28005310554e0000020000003220
refused "an empty number before another" 'RescaleSlope is .*expected a number' '0028,1053=\2'
make deflated-cut syntax=deflated size=64x64x1
for bytes in 1 2 3 4; do
    rm -rf "$out/cut"; mkdir "$out/cut"; head -c -$bytes "$out/deflated-cut/4_003_0" >"$out/cut/a"
    check "a deflated file without its last $bytes" 1 convert "$out/cut" -o "$out/bad.nii"
    has "is cut off" 'cut off or damaged' stderr
done
make capture size=24x20x1 0028,0004=RGB 0020,000E=1.2.3; mkdir "$out/captured"; cp "$out"/explicit/* "$out/captured"; cp "$out/capture/4_003_0" "$out/captured/capture"
check "a series that cannot be used beside another one" 0 convert "$out/captured" -o "$out/captured.nii"
is "the other one is converted" same "$out/captured.nii" "$out/explicit.want.nii"
has "a warning tells" 'warning: the series 1.2.3 is left out, none of its images can be used; .*/capture: its pixels are no gray values' stderr
check "it can be chosen" 1 convert "$out/captured" --series 1.2.3 -o "$out/bad.nii"
has "and is refused then" 'capture: its pixels are no gray values' stderr
refused "an image without Rows" '4_003_0: cut off or damaged: Rows, Columns or BitsAllocated is missing' 0028,0010=-
rle() { printf "$1\\100\\000\\000\\000$2"; head -c 52 /dev/zero; printf '\000\001\000\001'; } # SEGMENTS SECOND-BEGIN
rle '\002\000\000\000' '\000\377\377\000' >"$out/rle_far"; rle '\017\000\000\000' '\102\000\000\000' >"$out/rle_many"
refused "RLE that leads out of its frame" 'RLE: cut off or damaged: segment 2 of a frame begins at byte 16776960 of 68' syntax=rle codestream="$out/rle_far"
refused "RLE of other segments" 'RLE: damaged: a frame has 15 segments, expected 2' syntax=rle codestream="$out/rle_many"

check "no DICOM at all" 1 convert Makefile -o "$out/bad.nii"
has "is told" 'Makefile is no DICOM file: expected a folder' stderr
cp -r "$out/explicit" "$out/blank"; : >"$out/blank/4_003_0"
check "an empty file" 1 convert "$out/blank" -o "$out/bad.nii"
has "is an error" '4_003_0: it is empty: copy it again, or remove it if it is no slice' stderr
head -c 5000 /dev/zero >"$out/blank/4_003_0"
check "a file of zeros" 1 convert "$out/blank" -o "$out/bad.nii"
has "is one too" '4_003_0: its beginning holds zeros only' stderr
check "its list" 0 convert "$out/blank" --list
has "tells it" 'warning: .*4_003_0: its beginning holds zeros only' stderr
if command -v zip >/dev/null; then
    rm "$out/blank/4_003_0"; cp "$out/explicit/4_003_0" "$out/blank"; mkdir "$out/blank/.cache"; : >"$out/blank/.nomedia"; : >"$out/blank/.cache/a"
    (cd "$out/blank" && zip -qr ../hidden.zip . .nomedia .cache)
    check "hidden files of an archive" 0 convert "$out/hidden.zip" -o "$out/hidden.nii"
    is "are left out" same "$out/hidden.nii" "$out/explicit.want.nii"
fi
cp -r "$out/explicit" "$out/report"; "$build/make_dicom" "$out/dose" "$out/dose.nii" size=24x20x1 0008,0016=1.2.840.10008.5.1.4.1.1.88.11 0028,0010=- 2>/dev/null; cp "$out"/dose/* "$out/report/report"
check "a report beside the slices" 0 convert "$out/report" -o "$out/report.nii"
has "is told" 'warning: 1 DICOM object is no image .* and is not read; the first: .*/report/report' stderr
mkdir "$out/texts"; cp Makefile README.md "$out/texts"
check "no DICOM among several files" 1 convert "$out/texts" -o "$out/bad.nii"
has "is told" 'none of the 2 files is DICOM; the first: .*/Makefile; expected a folder' stderr
check "nothing there" 1 convert "$out/explicitt" -o "$out/bad.nii"
has "is told" 'there is no such file or folder' stderr
mkdir "$out/empty"; check "an empty folder" 1 convert "$out/empty" -o "$out/bad.nii"
# Each cut of a file is an error, or what was cut off was not needed; never a crash.
cuts=ok; file=$out/jpeg2000/4_003_0; size=$(wc -c <"$file")
for part in 1 5 9 13 20 35 50 65 80 90 97; do
    rm -rf "$out/cut"; mkdir "$out/cut"; head -c $((size * part / 100)) "$file" >"$out/cut/a"
    convert "$out/cut" -o "$out/cut.nii" >/dev/null 2>&1; [ $? -le 1 ] || cuts="crash at $part %"
done
equals "a file that is cut off" "$cuts" ok
is "no image is left of what failed" test ! -e "$out/bad.nii"

# Usage.
check "no output" 2 convert "$out/explicit"
check "an existing file" 1 convert "$out/explicit" -o "$out/explicit.nii"
has "is kept" 'exists already' stderr
check "unless it is to be replaced" 0 convert "$out/explicit" -o "$out/explicit.nii" --overwrite
check "labels without names" 2 convert "$out/explicit" --labels "$out/explicit.nii" -o "$out/seg.dcm"
check "a list with an output" 2 convert "$out/explicit" --list -o "$out/small.nii"
check "a list of one series" 2 convert "$out/two" --list --series 4
check "labels with an orientation" 2 convert "$out/explicit" --labels "$out/explicit.nii" -d Makefile --orientation RAS -o "$out/seg.dcm"
has "are refused by name" 'with --labels nothing is turned' stderr
check "too little memory" 2 convert "$out/explicit" -o "$out/small.nii" --memory 1M

# By hand it ends on Ctrl-C; with --parent, as predict and serve start it, with its parent. What it writes into takes no more here.
make wide size=256x256x2; mkfifo "$out/full.nii"; exec 7<>"$out/full.nii"
gone() { tries=0; while kill -0 $1 2>/dev/null && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done; ! kill -0 $1 2>/dev/null; }
writes() { tries=0; until grep -q '^State:.S' /proc/$1/status && grep -q '/wide' /proc/$1/cmdline || [ $tries -ge 50 ]; do sleep 0.1; tries=$((tries + 1)); done; sleep 0.2; }
"$build/convert_dicom" "$out/wide" -o /proc/self/fd/7 --quiet 2>"$out/said" & pid=$!
writes $pid; kill -INT $pid; wait $pid; equals "Ctrl-C ends it" $? 130; pid=
exec 7>&-; exec 7<>"$out/full.nii"
sh -c '"$1" "$2/wide" -o /proc/self/fd/7 --parent $$ --cpu-time 50 --quiet & echo $! >"$2/child"; wait' sh "$build/convert_dicom" "$out" 2>/dev/null & pid=$!
writes "$(until [ -s "$out/child" ]; do sleep 0.1; done; cat "$out/child")"; child=$(cat "$out/child")
is "it works for its parent" kill -0 "$child"
is "with the time that it may use" grep -q '^Max cpu time *50 ' "/proc/$child/limits"
kill -KILL $pid; wait $pid 2>/dev/null; pid=
is "it ends with its parent" gone "$child"
check "a parent that has ended before" $((64 + 7)) convert "$out/wide" -o "$out/orphan.nii" --parent 1
is "nothing is written for it" test ! -e "$out/orphan.nii"
exec 7>&-

# The dictionary of attributes is DCMTK's, else that of the folder which the program is in.
mkdir -p "$out/moved/bin" "$out/moved/share/swin-umamba-c"; cp "$build/convert_dicom" "$out/moved/bin"
check "without a dictionary" 1 env DCMDICTPATH=/nowhere "$out/moved/bin/convert_dicom" "$out/explicit" -o "$out/moved.nii" --quiet
has "is told" "DCMTK's data dictionary" stderr
for file in /usr/share/libdcmtk*/dicom.dic /usr/share/dcmtk*/dicom.dic; do [ ! -e "$file" ] || cp "$file" "$out/moved/share/swin-umamba-c"; done
check "with that of its own folder" 0 env DCMDICTPATH=/nowhere "$out/moved/bin/convert_dicom" "$out/implicit" -o "$out/moved.nii" --quiet
is "the image is the same" cmp "$out/moved.nii" "$out/implicit.nii"

# Archives.
if command -v zip >/dev/null; then
    (cd "$out" && zip -qr series.zip explicit && zip -qr - oblique >oblique.zip && zip -qr0 stored.zip sagittal)
    for pair in series:explicit oblique:oblique stored:sagittal; do
        check "an archive, ${pair%:*}" 0 convert "$out/${pair%:*}.zip" -o "$out/zip.nii" --overwrite
        is "is the same series" same "$out/zip.nii" "$out/${pair#*:}.want.nii"
    done
    (cd "$out/forged" && zip -qr ../forged.zip .)
    check "an archive with a name of two lines" 0 convert "$out/forged.zip" -o "$out/zip.nii" --overwrite
    has "it is one in messages" 'forged.zip: .*b?convert_dicom: warning: forged$' stderr
    head -c 3000 "$out/series.zip" >"$out/cut.zip"
    check "an archive that is cut off" 1 convert "$out/cut.zip" -o "$out/bad.nii"
    has "is told" 'cut.zip: no zip directory at the end' stderr
else echo "ok - archives # SKIP zip is not installed"; fi

# DICOM-SEG.
cat >"$out/dataset.json" <<'END'
{"channel_names": {"0": "CT"}, "numTraining": 1, "file_ending": ".nii.gz", "name": "Abdomen",
 "labels": {"background": 0, "liver": 1, "kidney_left": 2, "tumours": 3, "a \\ b": 4}}
END
for name in explicit oblique sagittal enhanced-explicit tilt single; do
    "$build/make_dicom" pattern "$out/$name.nii" "$out/$name-labels.nii.gz"
    check "labels of $name" 0 convert "$out/$name" --labels "$out/$name-labels.nii.gz" -d "$out/dataset.json" -o "$out/$name.dcm"
    check "$name: DCMTK reads them" 0 "$build/make_dicom" labels "$out/$name.dcm" "$out/$name-back.nii" "$out/$name.nii"
    is "$name: they are the same" same "$out/$name-back.nii" "$out/$name-labels.nii.gz"
done
"$build/make_dicom" labels "$out/explicit.dcm" "$out/back.nii" "$out/explicit.nii" >"$out/segments"
equals "codes and meanings of the source are DICOM's, of all frames" "$(grep -e ^derivation -e ^purpose "$out/segments" | sort | uniq -c | awk '{$1 = ""; print}')" \
    " derivation: 113076 Segmentation
 purpose: 121322 Source image for image processing operation"
has "a segment has its name, code and colour" '^segment 1: liver (10200004 Liver) Lab 59943 19622 40053$' segments
has "a side is no part of the code" '^segment 2: kidney_left (64033007 Kidney)' segments
has "nor a plural" '^segment 3: tumours (108369006 Neoplasm)' segments
has "an unknown name is tissue; a backslash is none" '^segment 4: a _ b (85756007 Tissue)' segments
make latin '0008,0005=ISO_IR 100' "0010,0010=$(printf 'M\374ller')"
"$build/make_dicom" pattern "$out/latin.want.nii" "$out/latin-labels.nii.gz"
letters=$(printf 'L\303\251ber \350\202\235')
sed "s/liver/$letters/" "$out/dataset.json" >"$out/letters.json"
check "a label with other letters" 0 convert "$out/latin" --labels "$out/latin-labels.nii.gz" -d "$out/letters.json" -o "$out/latin.dcm"
is "the patient's name is in UTF-8, too" grep -q "M$(printf '\303\274')ller" "$out/latin.dcm"
is "as the object says" grep -q 'ISO_IR 192' "$out/latin.dcm"
is "the label has its letters" grep -q "$letters" "$out/latin.dcm"
check "labels on the grid of RAS" 0 convert "$out/oblique" --labels "$out/oblique-labels.nii.gz" -d "$out/dataset.json" -o "$out/oblique.dcm" --overwrite
check "labels of another series" 1 convert "$out/explicit" --labels "$out/oblique-labels.nii.gz" -d "$out/dataset.json" -o "$out/other.dcm"
has "are refused" 'expected labels of this series' stderr
check "values without a name" 1 convert "$out/explicit" --labels "$out/explicit.want.nii" -d "$out/dataset.json" -o "$out/other.dcm"
"$build/make_dicom" pattern "$out/explicit.nii" "$out/nothing.nii" 0
check "no label at all" 0 convert "$out/explicit" --labels "$out/nothing.nii" -d "$out/dataset.json" -o "$out/nothing.dcm"
check "is a segmentation, too" 0 "$build/make_dicom" labels "$out/nothing.dcm" "$out/back.nii" "$out/explicit.nii"
has "with an empty frame for each label" '^4 frames$' stdout
cp "$out/explicit.dcm" "$out/explicit/seg.dcm"
check "a segmentation beside the images" 0 convert "$out/explicit" -o "$out/beside.nii"
is "is none of them" same "$out/beside.nii" "$out/explicit.want.nii"
check "a segmentation alone" 1 convert "$out/explicit.dcm" -o "$out/bad.nii"
has "is no series" 'no image among 1 DICOM object' stderr
if command -v dciodvfy >/dev/null; then
    for name in explicit enhanced-explicit; do
        dciodvfy "$out/$name.dcm" >"$out/said" 2>&1
        lacks "dciodvfy finds no error: $name" '^Error' said
    done
else echo "ok - dciodvfy # SKIP it is not installed"; fi
