#!/bin/sh
# from_nnunet BUILD: docs/from_nnunet.md names every command and option of nnU-Net 2.8.1, and the programs answer each option as
# the document says. With PYTHON naming a Python that has nnU-Net, the list below is compared with nnU-Net itself.
build=$1
. tests/support/tap.sh
document=docs/from_nnunet.md
cat >"$out/options" <<'END'
accumulate_crossval_results dataset_name_or_id -c -o -f -p -tr
apply_postprocessing -i -o -pp_pkl_file -np -plans_json -dataset_json
convert_MSD_dataset -i -overwrite_id -np
convert_old_nnUNet_dataset input_folder output_dataset_name
determine_postprocessing -i -ref -plans_json -dataset_json -np --remove_postprocessed
download_pretrained_model_by_url url
ensemble -i -o -np --save_npz
evaluate_folder gt_folder pred_folder -djfile -pfile -o -np --chill
evaluate_simple gt_folder pred_folder -l -il -o -np --chill
export_model_to_zip -d -o -c -tr -p -f -chk --not_strict --exp_cv_preds
extract_fingerprint -d -fpe -np --verify_dataset_integrity --clean --verbose --no_pbar
find_best_configuration dataset_name_or_id -p -c -tr -np -f --disable_ensembling --no_overwrite
install_pretrained_model_from_zip zip
move_plans_between_datasets -s -t -sp -tp
plan_and_preprocess -d -fpe -npfp --verify_dataset_integrity --no_pp --clean -pl -gpu_memory_target -preprocessor_name -overwrite_target_spacing -overwrite_plans_name -c -np --verbose --no_pbar
plan_experiment -d -pl -gpu_memory_target -preprocessor_name -overwrite_target_spacing -overwrite_plans_name
plot_overlay_pngs -d -o -np -channel_idx --use_raw -p -c -overlay_intensity
predict -i -o -d -p -tr -c -f -step_size --disable_tta --verbose --save_probabilities --continue_prediction -chk -npp -nps -prev_stage_predictions -num_parts -part_id -device --disable_progress_bar --not_on_device
predict_from_modelfolder -i -o -m -f -step_size --disable_tta --verbose --save_probabilities --continue_prediction --c -chk -npp -nps -prev_stage_predictions -device --disable_progress_bar --not_on_device
preprocess -d -plans_name -c -np --verbose --no_pbar
train dataset_name_or_id configuration fold -tr -p -pretrained_weights -num_gpus --npz --c --val --val_best --disable_checkpointing -device
END

# Rows of the document's tables of options: "PROGRAM|OPTION AS TYPED|ANSWER"; "none|COMMAND|ITS OPTIONS" of commands without one.
awk -F' *[|] *' '
    /^### `/ { program = $0; gsub(/^### `|`$/, "", program) }
    /^### Commands without/ { program = "none" }
    /^## / || /^[^|#]/ { if (/^## / || /keys of the plan/) program = "" }
    program != "" && /^[|] `/ { gsub(/`/, "", $2); print program "|" $2 "|" $3 }' $document >"$out/rows"
sed -n '/^## Command by command/,/^## Option/p' $document >"$out/commands"
program_of() { sed -n "s/^| \`nnUNetv2_$1\` | \`\{0,1\}\([a-z_]*\)\`\{0,1\} |.*/\1/p" "$out/commands"; }
is_covered() { # COMMAND OPTION
    program=$(program_of "$1")
    case $program in
    '') return 1 ;;
    none) grep "^none|nnUNetv2_$1|" "$out/rows" | grep -q -e "\`$2\`" ;;
    *) grep "^$program|" "$out/rows" | cut -d'|' -f2 | cut -d' ' -f1 | grep -qx -e "$2" ;;
    esac
}
lacking=
while read -r command options; do
    for option in $options; do is_covered "$command" "$option" || lacking="$lacking $command:$option"; done
done <"$out/options"
equals "each option of each command is in the document" "$lacking" ''
is "one that is not would be noticed" sh -c "! grep -q -e '-new_option' '$out/rows'"
equals "each command has a row" "$(grep -c '^| `nnUNetv2_[A-Za-z_]*` | \(`[a-z_]*`\|none\) |' "$out/commands")" "$(wc -l <"$out/options" | tr -d ' ')"

# What the programs do. --help comes last: it is printed if all before it was understood.
awk -f tests/support/literals.awk */*.c >"$out/texts"
answers() { # PROGRAM TYPED ANSWER
    text=$3
    "$build/$1" $2 --help >"$out/stdout" 2>"$out/stderr"; status=$?
    case $text in
    refused:*)
        equals "$1 $2 is refused in one line" "$status $(wc -l <"$out/stderr" | tr -d ' ')" '2 1'
        is "with the line that the document has" grep -qF -e "$1: $(echo "$2" | cut -d' ' -f1,2): ${text#refused: }" "$out/stderr" ;;
    accepted*|as*|'the same'*)
        equals "$1 $2 is understood" "$status" 0
        case $text in
        'accepted: '*) is "its note is that of the program" grep -qxF -e "${text#accepted: }" "$out/texts" ;;
        as*) new=$(echo "$text" | sed -n 's/^as `\([^`]*\)`.*/\1/p') ;;
        'the same (`'*) new=$(echo "$text" | sed 's/^the same (`\([^`]*\)`).*/\1/') ;;
        *) new=${2%% *} ;;
        esac
        case $text in as*|'the same'*)
            "$build/$1" --help-all >"$out/all"
            has "$1: $new is there" "^Usage.* $new\|\(^\|[ ,]\)$new\([ ,=[]\|$\)" all ;;
        esac ;;
    *) echo "not ok - $1 $2: the document does not begin with refused, accepted, as, or the same: $text" ;;
    esac
}
run_rows() { # FILE
    while IFS='|' read -r program typed answer; do
        case $program:$typed in none:*|*:[!-]*) continue ;; esac
        answers "$program" "$typed" "$answer"
    done <"$1"
}
run_rows "$out/rows"
equals "programs that have rows" "$(cut -d'|' -f1 "$out/rows" | sort -u | tr '\n' ' ')" \
    'convert_dataset ensemble evaluate find_best_configuration none plan_and_preprocess predict train '

# Wrong statements are noticed.
mistake() { # ROW
    echo "$1" >"$out/wrong"
    run_rows "$out/wrong" >"$out/said"
    has "noticed: $1" '^not ok' said
}
mistake 'predict|-npp 3|as `--threads`'
mistake 'predict|-step_size 0.5|refused: no'
mistake 'predict|-npp 3|refused: another reason'
mistake 'predict|-step_size 0.5|as `--stepp`'
mistake 'train|--made_up|the same'
mistake 'evaluate|-pfile plans.json|accepted: for another reason'
mistake 'ensemble|-np 8|taken'
equals "no source reads a variable of nnU-Net" "$(grep -l 'getenv("nnUNet' */*.c */*/*.c)" ''

# The list itself.
if [ -n "$PYTHON" ] && "$PYTHON" -c 'import nnunetv2' 2>/dev/null; then
    cat >"$out/list.py" <<'END'
import ast, importlib.metadata as metadata, importlib.util as util
for entry in sorted(metadata.distribution("nnunetv2").entry_points, key=lambda e: e.name):
    tree = ast.parse(open(util.find_spec(entry.module).origin).read())
    functions = {f.name: f for f in tree.body if isinstance(f, ast.FunctionDef)}
    def options(function):
        for call in (c for c in ast.walk(function) if isinstance(c, ast.Call)):
            if getattr(call.func, "attr", "") == "add_argument":
                yield from (a.value for a in call.args)
            elif getattr(call.func, "id", "").startswith("_add") and call.func.id in functions:
                yield from options(functions[call.func.id])
    print(entry.name.replace("nnUNetv2_", ""), *sorted(options(functions[entry.attr])))
END
    "$PYTHON" "$out/list.py" >"$out/theirs"
    while read -r command options; do echo "$command" $(for o in $options; do echo "$o"; done | LC_ALL=C sort); done <"$out/options" |
        LC_ALL=C sort >"$out/ours"
    check "the list of options is nnU-Net's" 0 diff "$out/theirs" "$out/ours"
else echo "ok - the list of options is nnU-Net's # SKIP PYTHON names no Python with nnunetv2"; fi
