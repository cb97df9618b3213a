#!/bin/sh
# The two halves meet only at the door: model/ knows nothing of HTTP, JSON or sockets; server/ sees libcaption only
# through its public headers. Reads the include lines; prints TAP, as the other tests do.
set -u
cd "$(dirname "$0")/.." || exit 1

door='caption|train|gradcheck|visualize|dataset|score|error'
inside=$(grep -rnE '#include *[<"](microhttpd|cjson|cJSON|curl|sys/socket|netinet|arpa|server/)' model)
outside=$(grep -rnE '#include *"model/' server | grep -vE "\"model/($door)\.h\"")
tensors=$(grep -rnE '#include *[<"](cblas|openblas)' server)

echo "1..3"
report() { # number, sentence, offending lines
    if [ -z "$3" ]; then echo "ok $1 - $2"; else echo "not ok $1 - $2"; echo "$3" | sed 's/^/# /'; fi
}
report 1 "model_knows_nothing_of_http_json_or_sockets" "$inside"
report 2 "server_includes_only_the_public_headers_of_model" "$outside"
report 3 "server_knows_nothing_of_tensors" "$tensors"
[ -z "$inside$outside$tensors" ]
