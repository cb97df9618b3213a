#!/bin/sh
# The layers of both halves, from the include lines. A file may include its own layer and those before it in the list,
# so nothing can include anything in a circle; model/ knows nothing of HTTP, JSON or sockets, and server/ sees it only
# through its public headers. Prints TAP, as the other tests do.
#     tests/boundaries.sh          the checks
#     tests/boundaries.sh graph    which layer includes which: HALF FROM TO COUNT, for docs/layers.py
set -u
cd "$(dirname "$0")/.." || exit 1

public='caption|train|gradcheck|visualize|dataset|score|error|option|bench'
server_layers='base work http decode engine store jobs api ui app'
model_layers='public base image kernels layers encoder features decoder training visual gradcheck'

# FILE INCLUDED for every include line of ours.
includes() {
    grep -rE '^#include "(model|server)/' model server --include='*.[ch]' |
        sed -E 's/^([^:]*):#include "([^"]*)".*/\1 \2/'
}

# HALF FROM TO FILE INCLUDED, where FROM and TO are layers: a file's directory, but for what stands at the top of model/.
edges() {
    includes | awk -v public="^model/($public)\\\\.h\$" '
        function layer(path, part) {
            if (path ~ public) return "public"
            if (path ~ /^model\/(session|measure|init)\./) return "encoder"
            if (path ~ /^model\/(storage\/|[a-z_]+\.[ch]$)/) return "base"
            split(path, part, "/")
            return part[2]
        }
        { split($1, a, "/"); split($2, b, "/")
          if (a[1] == b[1]) print a[1], layer($1), layer($2), $1, $2 }'
}

# Edges that lead up, or from or to a directory that is no layer.
upward() { # half, its layers in order
    edges | awk -v half="$1" -v list="$2" '
        BEGIN { n = split(list, name, " "); for (i = 1; i <= n; i++) place[name[i]] = i }
        $1 == half && (!place[$2] || !place[$3] || place[$3] > place[$2]) { print $4 " includes " $5 }'
}

if [ "${1:-}" = graph ]; then
    edges | awk '$2 != $3 { n[$1 " " $2 " " $3]++ } END { for (e in n) print e, n[e] }' | sort
    exit
fi

foreign=$(grep -rnE '#include *[<"](microhttpd|cjson|cJSON|curl|sys/socket|netinet|arpa|server/)' model)
behind=$(includes | awk -v public="^model/($public)\\\\.h\$" '$1 ~ /^server/ && $2 ~ /^model/ && $2 !~ public')
tensors=$(grep -rnE '#include *[<"](cblas|openblas)' server)
server=$(upward server "$server_layers")
model=$(upward model "$model_layers")

echo "1..5"
report() { # number, sentence, offending lines
    if [ -z "$3" ]; then echo "ok $1 - $2"; else echo "not ok $1 - $2"; echo "$3" | sed 's/^/# /'; fi
}
report 1 "model_knows_nothing_of_http_json_or_sockets" "$foreign"
report 2 "server_includes_only_the_public_headers_of_model" "$behind"
report 3 "server_knows_nothing_of_tensors" "$tensors"
report 4 "no_layer_of_server_includes_one_above_it" "$server"
report 5 "no_layer_of_model_includes_one_above_it" "$model"
[ -z "$foreign$behind$tensors$server$model" ]
