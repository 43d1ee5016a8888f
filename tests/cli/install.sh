#!/bin/sh
# install BUILD: make install puts programs, man pages and completions where systems look for them.
build=$1
. tests/support/tap.sh
case $build in build | */build) ;; *) echo "ok - make install # SKIP it installs the release variant"; exit 0 ;; esac
make --no-print-directory -s -o all install DESTDIR="$out/root" PREFIX=/opt/x B="$build" >"$out/log" 2>&1
equals "make install" $? 0
root=$out/root/opt/x
for program in plan-and-preprocess train pretrain predict ensemble find-best-configuration evaluate make-phantom network-info \
    convert-weights convert-dataset; do
    name=swin-umamba-$program
    for file in bin/$name share/man/man1/$name.1 share/bash-completion/completions/$name share/zsh/site-functions/_$name \
        share/fish/vendor_completions.d/$name.fish; do
        [ -s "$root/$file" ] || echo "not ok - $file is not there"
    done
    is "$name has its own name in its pages" sh -c "grep -q '^.TH $(echo $name | tr a-z A-Z | sed 's/-/.-/g') 1' $root/share/man/man1/$name.1 &&
        grep -q '^#compdef $name\$' $root/share/zsh/site-functions/_$name"
done
has "pages refer to each other by these names" '^.BR swin\\-umamba\\-predict (1)' root/opt/x/share/man/man1/swin-umamba-train.1
equals "bash loads an installed completion" \
    "$(bash -c 'source "$0" && complete -p swin-umamba-train' "$root/share/bash-completion/completions/swin-umamba-train")" \
    'complete -F _swin_umamba_train swin-umamba-train'
check "an installed program runs" 0 "$root/bin/swin-umamba-predict" --version
is "the documents are beside the README, so that its links lead to them" \
    test -s "$root/share/doc/swin-umamba-c/docs/tutorial.md" -a -s "$root/share/doc/swin-umamba-c/docs/pictures/report.png"
equals "nothing is outside of the prefix" "$(ls "$out/root")" opt
