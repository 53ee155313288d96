#!/bin/sh
# Makes the JPEG sets of the recompression table from a folder of PNGs (the 24 Kodak images), with cjpeg of libjpeg-turbo.
#   make_kodak_sets.sh PNG_DIR OUT_DIR
# OUT_DIR gets a20 a50 a75 a80 a85 a95 (4:2:0), c75 (4:4:4) and d20 d50 d80 (grayscale). -baseline keeps the quantization
# tables of quality 20 within 8 bits. LMCODEC names the command lmcodec if it is not on the PATH.
set -eu

if [ $# -ne 2 ]; then
    echo "usage: $0 PNG_DIR OUT_DIR" >&2
    exit 2
fi
png_dir=$1
out_dir=$2
lmcodec=${LMCODEC:-lmcodec}
command -v cjpeg >/dev/null || { echo "$0: cjpeg is not on the PATH (libjpeg-turbo-progs)" >&2; exit 1; }
command -v "$lmcodec" >/dev/null || { echo "$0: $lmcodec not found, set LMCODEC" >&2; exit 1; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

make_set() { # NAME IMAGE OPTIONS...
    name=$1
    image=$2
    shift 2
    mkdir -p "$out_dir/$name"
    cjpeg -baseline "$@" -outfile "$out_dir/$name/$image.jpg" "$scratch/image.ppm"
}

found=0
for png in "$png_dir"/*.png; do
    [ -e "$png" ] || continue
    found=$((found + 1))
    image=$(basename "$png" .png)
    "$lmcodec" eval ppm "$png" "$scratch/image.ppm" --force
    for q in 20 50 75 80 85 95; do make_set "a$q" "$image" -quality $q -sample 2x2; done
    make_set c75 "$image" -quality 75 -sample 1x1
    for q in 20 50 80; do make_set "d$q" "$image" -quality $q -grayscale; done
done
[ "$found" -gt 0 ] || { echo "$0: no .png in $png_dir" >&2; exit 1; }
echo "$found images, sets in $out_dir" >&2
