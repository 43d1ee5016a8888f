# Sourced by tests/distributions: the binary tarball and the wheel of Python in a bare root, and the steps of the Dockerfile,
# by which Debian's packages are built and installed. Uses its functions and variables: inside, root, name, suite, folder.

# Puts tests/installed and a DICOM series, if this build makes one, into a root, and a folder for what it writes.
bring_test() { # ROOT
    cp tests/installed "$1/" && install -d -m 777 "$1/try" || return
    [ ! -x build/make_dicom ] || build/make_dicom "$1/try/series" "$1/try/series.nii" syntax=jpegls
}

try_tarball() { # in the root, before anything is installed there
    mkdir -p "$root/opt" && cp -a "build/dist/$tarball" "$root/opt/" && bring_test "$root" && inside /installed "/opt/$tarball/bin" /try &&
        rm -rf "$root/opt/$tarball" "$root/try"
}

# The wheel, and what predict makes of an image by a small model, in $folder/wheel.
make_wheel() {
    local here=$folder/wheel image
    rm -rf "$here"; mkdir -p "$here"
    make -s WHEEL_FOLDER="$here" wheel && build/make_phantom -o "$here/raw" --cases 5 --size 4x40x44 --quiet &&
        printf 'network: {width: 0.0625, depths: [1, 1, 1, 1], decoder_depths: [1, 1, 1]}\n' >"$here/narrow.yaml" &&
        build/plan_and_preprocess "$here/raw" -o "$here/pre" --override "$here/narrow.yaml" --quiet &&
        build/train "$here/pre" 0 -o "$here/model" --epochs 1 --iterations-per-epoch 2 --validation-iterations 1 --batch-size 2 \
            --patch-size 32x32 --no-validation --quiet || return
    image=$(printf '%s\n' "$here"/raw/imagesTr/*_0000.nii.gz | head -1)
    cp "$image" "$here/image.nii.gz" && build/predict -i "$image" -m "$here/model" -o "$here/labels.nii.gz" --quiet &&
        cp tests/python/anywhere.py "$here"
}
try_wheel() { # where only NumPy is installed
    mkdir -p "$stages" && cp -a "$root" "$stages/python" && cp -r "$folder/wheel" "$stages/python/tree/" && root=$stages/python inside sh -c '
        apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-numpy && cd wheel &&
        python3 -m zipfile -e swin_umamba-*.whl site && PYTHONPATH=site python3 anywhere.py model image.nii.gz labels.nii.gz' &&
        rm -rf "$stages/python"
}

# The Dockerfile's instructions, one a line: comments left out, continued lines joined.
instructions() { sed -e '/^#/d' -e '/^ *$/d' Dockerfile | sed -e ':join' -e '/\\$/{N;s/ *\\\n */ /;b join}'; }

# Words of ["…", "…"].
words_of() { sed -e 's/^\["//' -e 's/"\]$//' -e 's/", "/\n/g' <<<"$1"; }

in_stage() { # COMMAND…, as the Dockerfile's RUN does, or as the user of the image
    root=$stages/$stage inside ${user:+setpriv "--reuid=$user" "--regid=$user" --clear-groups} \
        env "${environment[@]}" sh -c 'cd "$0" && "$@"' "$place" "$@"
}

copy() { # WORDS of a COPY
    local from=. to
    case $1 in --from=*) from=$stages/${1#--from=}; shift ;; esac
    case $2 in /*) to=$stages/$stage$2 ;; *) to=$stages/$stage$place/$2 ;; esac
    mkdir -p "$(dirname "$to")" || return
    case $from$1 in
    ..) tar --exclude-from=<(sed 's,^,./,' .dockerignore) -cf - . | tar -xf - -C "$to" ;;
    .*) cp "$1" "$to" ;;
    *) mkdir -p "$to" && cp "$from"$1 "$to" ;; # $1 may have patterns
    esac
}

# Builds the image, each stage in a copy of the bare root. It knows the instructions of our Dockerfile; others are failures.
build_image() {
    local instruction rest
    instructions >"$log.instructions"
    while read -r instruction rest <&3; do
        echo "$instruction $rest"
        case $instruction in
        ARG | LABEL | EXPOSE) ;; # $DEBIAN is the root's suite
        FROM)
            case $rest in 'debian:${DEBIAN}-slim AS '*) stage=${rest##* } ;; 'debian:${DEBIAN}-slim') stage=image ;; *) false ;; esac &&
                cp -a "$stages/bare" "$stages/$stage"
            place=/ user='' environment=()
            ;;
        WORKDIR) place=$rest; mkdir -p "$stages/$stage$place" ;;
        ENV) eval "environment+=($rest)" ;;
        COPY) copy $rest ;;
        RUN) in_stage sh -c "$rest" ;;
        USER) user=$rest ;;
        HEALTHCHECK) health=${rest#CMD } ;;
        ENTRYPOINT) mapfile -t entry < <(words_of "$rest") ;;
        CMD) mapfile -t -O ${#entry[@]} entry < <(words_of "$rest") ;;
        *) false ;;
        esac || { echo "failed: $instruction $rest"; return 1; }
    done 3<"$log.instructions"
}

# The image's programs, as its user, and what docker starts; its health is asked until it is good.
try_image() {
    bring_test "$stages/image" && in_stage /installed /usr/bin /try && mv "$stages/image/try/model" "$stages/image/model" &&
        in_stage bash -c '
            health=$1; shift
            ! sh -c "$health" 2>/dev/null || { echo "another program listens on the port"; exit 1; }
            "$@" & pid=$!
            for ((tries = 0; tries < 300; tries++)); do ! sh -c "$health" 2>/dev/null || break; sleep 0.1; done
            kill -TERM $pid && wait $pid && [ $tries -lt 300 ]' bash "$health" "${entry[@]}"
}

# The stage that built the packages: what Debian's checker finds, and the library with the examples.
try_lintian() {
    root=$stages/build inside sh -c 'apt-get install -y -qq --no-install-recommends lintian >/dev/null && cd /source/build/dist/debian &&
        lintian --fail-on error --display-info *.changes'
}
try_library() {
    cp -a "$stages/image/model" "$stages/image/try/image.nii.gz" "$stages/build/" && root=$stages/build inside sh -c '
        cd /source/build/dist/debian && apt-get install -y -qq --no-install-recommends ./libswinumamba0_*.deb ./libswinumamba-dev_*.deb cmake &&
        cp -r /usr/share/doc/libswinumamba-dev/examples /examples && cd /examples &&
        make CFLAGS=-Werror && ./segment_file /model labels.nii.gz /image.nii.gz &&
        cmake -S . -B by_cmake && make -C by_cmake && by_cmake/segment_file /model again.nii.gz /image.nii.gz && cmp labels.nii.gz again.nii.gz'
}
