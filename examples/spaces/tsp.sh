#!/bin/sh
# Searches for a short round trip through twelve towns, with a plain shell loop.
#
#     examples/spaces/tsp.sh 60                  until ./study.journal has 60 trials
#
# A suggestion is a list as JSON, such as ["Bonn", "Ulm", ...]. Each is a round trip: no town is missing or there twice.
set -eu
export LC_ALL=C
trials=${1:-60} status=0
towns="Aachen 0 70|Berlin 520 240|Bonn 70 70|Bremen 180 310|Dresden 540 110|Erfurt 330 100|Hamburg 270 350|Kassel 240 120"
towns="$towns|Leipzig 430 140|Rostock 410 420|Trier 40 -10|Ulm 270 -130" # kilometres east and north

journaltune create --exist-ok --minimize km --seed 42 >&2 \
    --param 'tour: permutation(Aachen, Berlin, Bonn, Bremen, Dresden, Erfurt, Hamburg, Kassel, Leipzig, Rostock, Trier, Ulm)'

length() {
    echo "$1" | awk -v towns="$towns" '
        BEGIN { n = split(towns, rows, "|"); for (i = 1; i <= n; i++) { split(rows[i], row, " "); x[row[1]] = row[2]; y[row[1]] = row[3] } }
        { gsub(/[][",]/, " "); from = $NF
          for (i = 1; i <= NF; i++) { km += sqrt((x[$i] - x[from]) ^ 2 + (y[$i] - y[from]) ^ 2); from = $i }
          printf "%.1f\n", km }'
}

while true; do
    suggestion=$(journaltune ask --format sh --trials "$trials" --owner $$) || { status=$?; break; }
    eval "$suggestion"
    km=$(length "$JT_tour")
    journaltune tell "$JT_TRIAL" "$km"
    echo "trial $JT_TRIAL: $km km by $JT_tour" >&2
done

# 11: the study has its trials. Anything else is a real error, and ask has said which.
[ "$status" -eq 11 ] || exit "$status"
journaltune best
