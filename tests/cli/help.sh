#!/bin/sh
# help BUILD: --help, --help-all, --version, man pages and completion, all from one description of each program.
build=$1
. tests/support/tap.sh
export COLUMNS=80
programs="plan_and_preprocess train pretrain predict ensemble find_best_configuration evaluate make_phantom network_info
    convert_weights convert_dataset bench compare_networks"
[ ! -x "$build/serve" ] || programs="$programs serve"
[ ! -x "$build/convert_dicom" ] || programs="$programs convert_dicom"

# A screen of 40 lines, 80 columns. Each option of --help is in --help-all, in the man page and in the completions.
for program in $programs; do
    "$build/$program" --help >"$out/help" 2>"$out/err"; status=$?
    equals "$program --help" "$status" 0
    is "$program --help fits a screen" test "$(wc -l <"$out/help")" -le 40
    equals "$program --help has no line beyond 80 columns" "$(LC_ALL=C.UTF-8 awk 'length > 80' "$out/help")" ''
    is "$program --help has an example" grep -q "^  $program " "$out/help"
    "$build/$program" --help-all >"$out/all"; "$build/$program" --help-man >"$out/man"
    for shell in bash zsh fish; do "$build/$program" --completion=$shell >"$out/$shell"; done
    sed -n 's/^  .\{4\}--\([a-z-]*\).*/\1/p' "$out/help" >"$out/options"
    is "$program has options" test -s "$out/options"
    for option in $(cat "$out/options"); do
        escaped=$(echo "$option" | sed 's/-/\\\\-/g')
        for text in all bash zsh fish; do
            grep -q -e "--*$option" -e "-l $option" "$out/$text" || echo "not ok - $program: $option is missing in $text"
        done
        grep -q "^.*\\\\-\\\\-$escaped" "$out/man" || echo "not ok - $program: $option is missing in its man page"
    done
    lacks "$program: every default is filled in" '{[a-zA-Z_.]*}' all
    if command -v mandoc >/dev/null; then
        equals "$program: mandoc has no complaint" "$(mandoc -T lint <"$out/man" 2>&1)" ''
    else echo "ok - $program: mandoc # SKIP mandoc is not installed"; fi
    if man --version >/dev/null 2>&1; then
        equals "$program: man has no complaint" "$(LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l "$out/man" 2>&1 >/dev/null)" ''
    else echo "ok - $program: man # SKIP man is not installed"; fi
    is "$program: bash reads its completion" bash -n "$out/bash"
    for shell in zsh fish; do
        if command -v $shell >/dev/null; then is "$program: $shell reads its completion" $shell -n "$out/$shell"
        else echo "ok - $program: $shell # SKIP $shell is not installed"; fi
    done
done
for program in train predict; do
    "$build/$program" -h >"$out/short"; "$build/$program" --help >"$out/long"; "$build/$program" '-?' >"$out/mark"
    is "$program -h and -? are --help" sh -c "cmp '$out/short' '$out/long' && cmp '$out/mark' '$out/long'"
done
check "--usage" 0 "$build/evaluate" --usage
has "has a line for each form" '^  or:  evaluate \[OPTION\]... --compare EVALUATION...$' stdout
COLUMNS=60 "$build/train" --help | awk 'length > 60 && !/^  train/ {exit 1}'
equals "a narrow terminal" $? 0

# Defaults are those that a plan gets.
"$build/make_phantom" -o "$out/raw" --cases 5 --size 2x40x44 --quiet
"$build/plan_and_preprocess" "$out/raw" -o "$out/pre" --quiet 2>/dev/null
for key in iterations_per_epoch validation_iterations; do
    value=$(sed -n "s/^  $key: \([0-9]*\).*/\1/p" "$out/pre/plans.yaml")
    equals "the default of $key" "$("$build/train" --help | grep -c -e "--$(echo $key | tr _ -)=.*(default: plan's, $value)")" 1
done
value=$(sed -n 's/^  step: \([0-9.]*\).*/\1/p' "$out/pre/plans.yaml")
has_default=$("$build/predict" --help | grep -c -e "--step=.*(default: the plan's, $value)")
equals "the default of --step" "$has_default" 1
name=$(sed -n 's/^  name: \([a-z_]*\).*/\1/p' "$out/pre/plans.yaml" | head -1)
equals "the default network" "$("$build/plan_and_preprocess" --help | grep -c -e "--network=.*(default: $name)")" 1

# --version names what was built.
check "--version" 0 "$build/predict" --version
has "names the level of instructions, and oneDNN" '^SIMD level [a-z0-9_]*, oneDNN [0-9.]*$' stdout
has "tells whether GPUs are in it" '^GPU: ' stdout
check "--version of a program without a network" 0 "$build/evaluate" --version
has "names the level, too" '^SIMD level ' stdout

# bash completes options, the words that are possible behind them, and files.
completed() { # COMMAND WORD…: what the last word may become
    bash -c 'source <("$0/$1" --completion=bash) || exit; compopt() { :; }
        COMP_WORDS=("${@:1}"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _$1; printf "%s " "${COMPREPLY[@]}"' "$build" "$@"
}
equals "bash completes an option" "$(completed train --iter)" '--iterations-per-epoch '
equals "bash completes a word" "$(completed train --recipe p)" 'paper '
equals "bash completes a word behind =" "$(completed train --recipe = p)" 'paper '
equals "bash completes a device" "$(completed predict --device c)" 'cpu cuda '
equals "bash completes a network" "$(completed plan_and_preprocess --network swin_umamba_)" 'swin_umamba_d swin_umamba_paper '
equals "bash completes a network as an argument" "$(completed network_info nnu)" 'nnunet '
equals "bash completes a file" "$(completed predict -i "$out/raw/ima")" "$out/raw/imagesTr "
equals "bash completes no number" "$(completed train --epochs 1)" ' '
check "a shell that is not known" 2 "$build/train" --completion=bsh
has "is answered with one that is" 'expected bash, zsh or fish; did you mean bash?' stderr
if command -v fish >/dev/null; then
    "$build/train" --completion=fish >"$out/train.fish"
    equals "fish completes a word" \
        "$(fish --no-config -c "source $out/train.fish; complete -C 'train --recipe p'" 2>/dev/null | cut -f1)" paper
else echo "ok - fish completes a word # SKIP fish is not installed"; fi
