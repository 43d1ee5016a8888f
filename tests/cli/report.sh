#!/bin/sh
# report BUILD: report.html in a headless Chromium; any error of its script fails.
build=$1
data=../shared/data
. tests/support/tap.sh
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ ! -d $data/Dataset703_Cells ]; then
    echo "ok - report.html of real cases # SKIP $data is not here"
    exit 0
fi
say() { if [ "$1" -eq 0 ]; then echo "ok - $2"; else echo "not ok - $2"; fi; }

mkdir "$out/ref" "$out/pred"
set -- $data/Dataset004_Hippocampus/labelsTs/*.nii.gz
cp "$1" "$out/ref/a<img src=x onerror=throw(1)>.nii.gz"
cp "$1" "$out/pred/a<img src=x onerror=throw(1)>.nii.gz"
"$build/evaluate" "$out/ref" "$out/pred" -o "$out/hostile" --quiet >"$out/table" 2>&1
say $? "a hostile file name is evaluated"
lacks "and stays text" '<img' "hostile/report.html"
has "with its name" 'a&lt;img src=x' "hostile/report.html"

labels=$data/Dataset004_Hippocampus/labelsTs
"$build/evaluate" $labels $labels -o "$out/volumes" --quiet >"$out/table" 2>&1
say $? "volumes are reported"
has "their images are found and drawn" 'href="data:image/png;base64,iVBOR' "volumes/report.html"
has "each label has its colour and name" '<p class=names><span><i class="area" style="--c:#84ffaf"></i> Anterior</span> <span><i class="area" style="--c:#e951ff"></i> Posterior</span>' "volumes/report.html"
has "reference and prediction are drawn in it" 'path class=ref style="--c:#84ffaf" d="M.*path class=pred style="--c:#84ffaf" d="M' "volumes/report.html"
has "distances have a unit" 'HD95 <small>(mm)</small></th>' "volumes/report.html"
has "slices are named" 'slice [0-9]* of [0-9]*' "volumes/report.html"
labels=$data/Dataset703_Cells/labelsTr
"$build/evaluate" $labels $labels -o "$out/cells" --instances --quiet >"$out/table" 2>&1
say $? "colour images and instances are reported"
has "distances are in pixels" 'HD95 <small>(pixels)</small></th>' "cells/report.html"
has "instances have a table" '<h2>Instances' "cells/report.html"
for page in hostile volumes cells; do
    lacks "$page: nothing is loaded from elsewhere" '\(src\|href\)="\{0,1\}\(https\{0,1\}:\)\{0,1\}//' "$page/report.html"
done

if [ -z "$browser" ]; then
    echo "ok - rendering in a headless browser # SKIP no Chromium here"
    exit 0
fi
render() { # FILE: the page after its script ran, and what the browser said
    HOME=$out timeout 120 "$browser" --headless --no-sandbox --disable-gpu --enable-logging=stderr --v=0 \
        --dump-dom "file://$1" >"$out/dom" 2>"$out/log"
}
for page in hostile volumes cells; do
    render "$out/$page/report.html"
    has "$page: the script ran to its end" '<html[^>]*class="ready"' "dom"
    lacks "$page: without an error" 'CONSOLE\|Uncaught' "log"
done
# Sorts the last table by its n_ref up and down, hides a contour, shows the last tab, turns the theme.
cat "$out/volumes/report.html" - >"$out/use.html" <<'EOF'
<script>
const table = all('table.sortable').at(-1);
const values = () => [...table.tBodies[0].rows].map(row => key(row, 8));
const ordered = (list, sign) => list.every((v, i) => !i || sign * (v - list[i - 1]) >= 0);
table.tHead.rows[0].cells[8].click();
const up = ordered(values(), 1) && new Set(values()).size > 1;
table.tHead.rows[0].cells[8].click();
const down = ordered(values(), -1);
document.querySelector('[data-hide=no-ref]').click();
nav.lastChild.click();
theme.click();
const hidden = getComputedStyle(document.querySelector('path.ref')).display === 'none';
const tab = getComputedStyle(tabs.at(-1)).display !== 'none' && getComputedStyle(tabs[0]).display === 'none';
document.title = [up, down, hidden, tab, root.dataset.theme !== undefined].join(' ');
</script>
EOF
render "$out/use.html"
has "tables sort, contours hide, tabs and theme change" '<title>true true true true true</title>' "dom"
lacks "without an error" 'CONSOLE\|Uncaught' "log"
# On a phone: a frame 390 pixels wide, whose page tells its own width.
for page in volumes cells; do
    cp "$out/$page/report.html" "$out/frame.html"
    echo "<script>parent.postMessage(innerWidth + ' ' + root.scrollWidth, '*')</script>" >>"$out/frame.html"
    cat >"$out/phone.html" <<'EOF'
<script>addEventListener('message', event => { document.title = event.data })</script>
<iframe src="frame.html" style="width:390px;height:844px;border:0"></iframe>
EOF
    render "$out/phone.html"
    has "$page: nothing is wider than a phone" '<title>390 3[0-9]*</title>' "dom"
done
# The test detects a script error.
sed 's/use strict.;/&undefined_name();/' "$out/volumes/report.html" >"$out/wrong.html"
render "$out/wrong.html"
has "a script error would be seen" 'Uncaught' "log"
